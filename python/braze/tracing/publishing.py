"""From a call that did what one before it did to an entry: its program compiled, proved beside the call, and in the
fastest of its forms.
"""

from braze import _C
from braze.tracing import proof
from braze.tracing.argument_matching import passed_containers
from braze.tracing.call_kind import Published
from braze.tracing.forms import Disproved, Form, Forms
from braze.tracing.refusal import Refusal

# Entries for equal arguments differ in the Python state or in the values Python reads; more of them are not worth their checks.
MOST_PATHS = 4


def publish(session, callable_, kind, known, call):
    """Makes an entry of a call that confirms a known one; a Refusal when it may not be one."""
    if kind.paths >= MOST_PATHS:
        return Refusal("too_many_paths", "values that Python reads keep changing")
    program = call.program
    start = call.start = call.start.narrowed(call.arguments, call.captured, program)
    program.version_moves = start.version_moves()
    if known.executed.operators_in_python and program.value_guards:
        return Refusal("impure_call", "an operator written in Python, and values are read that may ask for another run")
    # What an operator in Python does besides computing would be done once more.
    is_proved = not known.executed.operators_in_python
    try:
        form = Forms(session, call, start, is_proved).best()
    except Disproved as problem:
        return refusal_of(str(problem), program)
    guard_containers(kind, call)
    try:
        entry = entry_of(kind, kind.spec, call, form.executable, call.tree, frozen=form.frozen)
    except ValueError as problem:  # a dual tensor, say
        return Refusal("tensor_kind", str(problem))
    session.add_entry(callable_, Published(callable_, entry, form, kind.spec, call.paths(), known))
    session.kinds.remove(kind)
    return None


def refusal_of(problem, program):
    if problem != proof.DECLINED:
        return Refusal("proof", problem)
    if program.value_guards:
        return Refusal("value_read", "a number that Python reads differs in its last bits")
    return Refusal("declined", "eager answers")


def publish_symbolic(session, callable_, kind, known, waiting, compiled, call):
    """An entry for many sizes; `compiled` is its program at those of this call."""
    if call.memory.containers:
        call.before.guards.add_reached(list(call.before.seen.values()))
    call.state = call.before
    entry = entry_of(kind, waiting.spec, call, None, waiting.tree, symbolic=waiting.call)
    published = Published(callable_, entry, Form(waiting.call), waiting.spec, call.paths(), known)
    published.shapes = waiting.shapes
    published.times_of_one = compiled.step_microseconds
    session.add_entry(callable_, published)


def guard_containers(kind, call):
    """Nothing that was passed may come to be part of the state, where code could tell it from an equal one."""
    if passed_containers(kind.spec, call.memory):
        call.state.guards.add_reached(list(call.state.seen.values()))


def entry_of(kind, spec, call, compiled, tree, frozen=None, symbolic=None):
    known = {id(tensor) for tensor in call.captured}
    others = [(path, tensor) for path, tensor in call.state.tensors if id(tensor) not in known]
    guards = frozen and frozen.guards
    return _C.Entry(
        spec,
        kind.state,
        call.state.guards,
        call.captured,
        compiled,
        tree,
        call.paths(),
        call.effects,
        guards,
        others,
        symbolic,
        call.program.meets_autograd,
    )
