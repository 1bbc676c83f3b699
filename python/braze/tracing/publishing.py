"""From a call that did what one before it did to an entry: its program compiled, proved beside the call, and in the
fastest of its forms.
"""

from braze import _C
from braze.tracing import freezing, layout, proof
from braze.tracing.argument_matching import passed_containers
from braze.tracing.call_kind import Published
from braze.tracing.race import NOT_FASTER, why_not
from braze.tracing.refusal import Refusal

# Entries for equal arguments differ in the Python state or in the values Python reads; more of them are not worth their checks.
MOST_PATHS = 4


def publish(session, callable_, kind, known, call):
    """Makes an entry of a call that confirms a known one; a Refusal when it may not be one."""
    if kind.paths >= MOST_PATHS:
        return Refusal("too_many_paths", "values that Python reads keep changing")
    options, program, results = session.options, call.program, call.results
    start = call.start = call.start.narrowed(call.arguments, call.captured, program)
    program.version_moves = start.version_moves()
    if known.executed.operators_in_python and program.value_guards:
        return Refusal("impure_call", "an operator written in Python, and values are read that may ask for another run")
    compiled = _C.compile_program(program, options)
    # What an operator in Python does besides computing would be done once more.
    is_proved = not known.executed.operators_in_python
    laid_out = layout.laid_out(program, options) if is_proved and not options.freeze else None
    twin = start.twin(program) if is_proved and (laid_out or may_freeze(session)) else None
    if is_proved and (problem := proof.disproves(compiled, program, start, results)):
        if problem != proof.DECLINED:
            return Refusal("proof", problem)
        if program.value_guards:
            return Refusal("value_read", "a number that Python reads differs in its last bits")
        return Refusal("declined", "eager answers")
    layout_line = ""
    if laid_out and not why_not(laid_out.compiled, compiled, program, twin, results, options.trial):
        compiled, layout_line = laid_out.compiled, laid_out.describe()
    frozen, freezing_line = frozen_form(session, compiled, call, twin)
    if frozen:
        compiled = frozen.compiled
    guard_containers(kind, call)
    try:
        entry = entry_of(kind, kind.spec, call, compiled, call.tree, frozen=frozen)
    except ValueError as problem:  # a dual tensor, say
        return Refusal("tensor_kind", str(problem))
    published = Published(callable_, entry, compiled, kind.spec, call.paths(), known)
    published.layout, published.freezing = layout_line, freezing_line
    published.step_microseconds = time_steps(compiled, compiled, start)
    session.add_entry(callable_, published)
    session.kinds.remove(kind)
    return None


def publish_symbolic(session, callable_, kind, known, waiting, compiled, call):
    """An entry for many sizes; `compiled` is its program at those of this call."""
    if call.memory.containers:
        call.before.guards.add_reached(list(call.before.seen.values()))
    call.state = call.before
    entry = entry_of(kind, waiting.spec, call, None, waiting.tree, symbolic=waiting.call)
    published = Published(callable_, entry, waiting.call, waiting.spec, call.paths(), known)
    published.shapes = waiting.shapes
    published.step_microseconds = time_steps(waiting.call, compiled, call.start)
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
    )


def may_freeze(session):
    return session.options.freeze and session.changes_of_weights <= freezing.MOST_CHANGES


def frozen_form(session, compiled, call, start):
    """(the program with its weights folded and packed, when it is right and faster; else None, a line on it)."""
    options, program = session.options, call.program
    if not options.freeze:
        return None, freezing.would_apply(program, call.start.inputs)
    if start is None:
        return None, "not frozen: its weights keep changing"
    frozen = freezing.frozen(program, call.start.inputs, options)
    if frozen is None:
        return None, ""
    problem = why_not(frozen.compiled, compiled, program, start, call.results, options.trial)
    if problem and problem != NOT_FASTER:
        session.note(Refusal("proof", f"with frozen weights, {problem}"))
    return (None, f"not frozen: {problem}") if problem else (frozen, frozen.describe())


def time_steps(program, compiled, start):
    """Microseconds of each step of the launch list; none for operators of the user's own, which eager runs once a call."""
    if not all(op.partition("::")[0] in ("aten", "mkldnn", "mkl") for op in program.externs):
        return []
    with start.rewound():
        return compiled.time_steps(start.tensors, 2)
