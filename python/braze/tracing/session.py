"""The cold path of one compiled callable: from a miss to a trace, a confirmed trace, a compiled and proved entry, or a refusal."""

import inspect
import threading
import weakref

from braze import _C
from braze.errors import NotCompiledError
from braze.report import FunctionReport, RefusalReport, StageReport
from braze.tracing import children, freezing, layout, proof, rehearsal
from braze.tracing.argument_memory import ArgumentMemory, is_within
from braze.tracing.entry_report import entry_report
from braze.tracing.kept_places import KeptPlaces
from braze.tracing.race import is_faster
from braze.tracing.reachable import snapshot
from braze.tracing.refusal import Refusal
from braze.tracing.results import classifier, collector, described
from braze.tracing.stage_source import PathLeft
from braze.tracing.told import same_sayings
from braze.tracing.trace import trace_call
from braze.tracing.value_sizes import CallAtHand, ValueSizes, chooses_by_rank
from braze.tracing.varying_sizes import VaryingSizes

# Tracing is many times slower than a call, so a callable that keeps changing is left alone after this many traces that led to nothing.
WASTED_TRACES = 32
# ... and with so many of them, what calls change outside their arguments is no longer thought to settle down.
WASTED_ON_PLACES = 8
# ... or after so many entries that had to go for others.
MOST_EVICTED = 32
# Calls of one kind are traced this often before they count as not replayable: the first may warm up caches that the code keeps.
ATTEMPTS = 4
# So many calls that differ in a float alone, none of them made twice, show that there will be ever more.
MOST_FLOATS = 6
# Entries for equal arguments differ in the Python state or in the values Python reads; more of them are not worth their checks.
MOST_PATHS = 4
# A reason that no further trace of the same call will lift.
LASTING = frozenset(
    {
        "needs_grad",
        "random",
        "data_dependent",
        "value_read",
        "leak",
        "tensor_kind",
        "output_kind",
        "hook_taken",
        "too_many_paths",
    }
)

# A reason that holds for the children as well.
WITHOUT_CHILDREN = frozenset({"needs_grad", "hook_taken", "exception", "no_work", "nested_trace"})


class CallKind:
    """Calls with equal arguments and PyTorch state: how far they have come."""

    def __init__(self, spec, state):
        self.spec = spec
        self.state = state
        self.attempts = 0
        self.program = None
        self.tree = None
        self.executed = None
        self.captured = None
        self.effects = None
        self.told = None
        self.paths = 0  # entries for calls of this kind
        self.guards = None  # of the Python state at its last trace
        self.planned = None

    @property
    def result(self):
        """What it returns, as text, whatever the integers in it."""
        return self.tree.describe(integers=False)

    @property
    def integers(self):
        """The integers in what it returns."""
        return [value for value, _ in self.tree.integers]

    def tensors(self):
        """The tensors it captured."""
        return self.captured

    def state_holds(self):
        """Whether the Python state is that of its last trace."""
        return self.guards is not None and self.guards.check()


class PublishedKind:
    """What a kind of call leaves behind once it has an entry: it keeps nothing alive that the entry lets go of."""

    def __init__(self, kind, entry):
        self.spec, self.state, self.program, self.planned = kind.spec, kind.state, kind.program, kind.planned
        self.result, self.executed, self.state_holds = kind.result, kind.executed, entry.state_holds
        self.integers, self.effects = kind.integers, kind.effects
        self.entry, self.captured_count = entry, len(kind.captured)

    def tensors(self):
        tensors = self.entry.captured  # none once it is retired
        return tensors if len(tensors) == self.captured_count else None


class Published:
    """An entry of the callable, and what is needed to check it against eager again."""

    def __init__(self, callable_, entry, compiled, spec, paths, kind, step_microseconds, shapes, effects, freezing):
        self.callable = weakref.ref(callable_)
        self.entry = entry
        self.compiled = compiled
        self.spec = spec
        self.paths = paths
        self.program = kind.program
        self.kind = kind
        self.step_microseconds = step_microseconds
        self.shapes = shapes  # the ShapeFunction of an entry for many sizes
        self.effects = effects
        self.freezing = freezing  # a line for braze.explain

    def compiled_for(self, args, kwargs):
        """The CompiledCall that answers this call; None when eager does."""
        if self.shapes is None:
            return self.compiled
        return self.compiled.at(self.spec.symbol_values(args, kwargs))

    def start_of(self, args, kwargs):
        return proof.CallStart(self.spec.tensors(args, kwargs) + list(self.entry.captured), self.program)


class Session:
    """Decides what to do with the calls that no entry answers. One for each callable; `miss` is called by it."""

    def __init__(self, function, options, name):
        self.function = function
        self.options = options
        self.name = name
        self.kinds = []
        self.wasted = 0
        self.refusals = {}
        self.final = set()  # those of the refusals that will not be lifted
        self.refused = []  # under strict: (spec, state, refusal) of kinds of calls that cannot be compiled
        self.entries = []
        self.lock = threading.Lock()
        self.given_up = False
        self.by_structure = set()  # paths of arguments that are matched by their attributes, though objects
        self.places = KeptPlaces()  # what counts as an argument, as calls replace it
        self.by_identity = set()  # paths of those that must not be
        self.changes_of_weights = 0
        self.keyword_order_matters = takes_keywords(function)
        self.varying = VaryingSizes(self)
        self.value_sizes = ValueSizes(self)

    def miss(self, callable_, args, kwargs):
        """Answers one call that no entry matched, and learns from it."""
        if self.options.strict:
            self.insist(args, kwargs)
        if self.given_up or not self.lock.acquire(blocking=False):
            return self.function(*args, **kwargs)
        try:
            return self.answer(callable_, args, kwargs)
        finally:
            self.lock.release()

    def insist(self, args, kwargs):
        """Raises when the call is of a kind that is known to be eager's."""
        state = _C.TorchState.current()
        if state.is_intercepted:
            return
        for spec, other, refusal in list(self.refused):
            if other is None or (other == state and spec.check(args, kwargs)):
                from braze.explain import obstacle_of

                report = refusal_report(refusal.reason, refusal.detail, refusal.where, 1, True)
                raise NotCompiledError(str(obstacle_of(self.name, report)))

    def answer(self, callable_, args, kwargs):
        self.forget_stale()
        kind = None if self.value_sizes.is_stray(args, kwargs) else self.kind_of(callable_, args, kwargs)
        if kind is None:
            return self.function(*args, **kwargs)
        kind.attempts += 1
        before = None
        start = None
        memory = ArgumentMemory(kind.spec, args, kwargs, self.places.by_owner())
        arguments = kind.spec.tensors(args, kwargs)
        kind.paths = self.count_entries(args, kwargs, for_many_sizes=False)
        known = kind if kind.program is not None else self.relative_of(kind, args, kwargs)
        executed = known.executed if known is not None else kind.executed
        if executed is not None:
            before = self.state_of(executed, kind.spec, memory, arguments)
        if known is not None:
            start = proof.CallStart(arguments + known.tensors(), known.program)
        try:
            trace = trace_call(self.function, args, kwargs)
        except PathLeft:  # a stage, at sizes that are none of its own
            self.kinds.remove(kind)
            self.add_eager_entry(callable_, kind)
            raise
        except Exception:
            self.refuse(callable_, kind, Refusal("exception", "the traced call raised"))
            raise
        if trace is None:
            return self.function(*args, **kwargs)
        try:
            refusal = self.learn(callable_, kind, known, args, kwargs, memory, arguments, trace, before, start)
        except Exception as error:  # a bug of ours must not cost the user the result
            refusal = Refusal("internal", f"{type(error).__name__}: {error}")
            if _C.Options().log:
                import traceback

                traceback.print_exc()
        if refusal:
            self.refuse(callable_, kind, refusal)
        return trace.result

    def relative_of(self, kind, args, kwargs):
        """A known kind of call that differs from this one in sizes only, or None."""
        return self.varying.relative_of(kind, args, kwargs) or self.value_sizes.relative_of(kind)

    def kind_of(self, callable_, args, kwargs):
        """The kind of this call; None when it is to run eagerly without a trace."""
        state = _C.TorchState.current()
        if state.is_intercepted or not _C.recorder_available():
            return None
        for kind in self.kinds:
            if kind.state == state and kind.spec.check(args, kwargs):
                return kind
        if self.wasted >= WASTED_TRACES or callable_.counters["evicted"] >= MOST_EVICTED:
            self.give_up(callable_)
            return None
        if self.wasted >= WASTED_ON_PLACES:
            self.drop_unproved_places()
        spec = self.spec_of(args, kwargs)
        if isinstance(spec, tuple) and self.drop_unproved_places():
            spec = self.spec_of(args, kwargs)
        others = set() if isinstance(spec, tuple) else self.replaced_objects(spec)
        if others:
            self.by_structure |= others
            spec = self.spec_of(args, kwargs)
        if isinstance(spec, tuple):
            self.note(Refusal(*spec), is_final=True)
            self.wasted += 1
            if self.options.strict:
                raise NotCompiledError(f"{self.name}: {': '.join(spec)}")
            return None
        for path in others & {path for path, _ in spec.objects}:
            self.note(Refusal("argument_structure", f"{path} is another object at each call, and matched by identity"))
        if self.gives_up_floats(callable_, spec, state):
            return None
        self.wasted += 1  # until it is published
        kind = CallKind(spec, state)
        self.kinds = self.kinds[-15:] + [kind]
        return kind

    def gives_up_floats(self, callable_, spec, state):
        """Whether a float is another one at each call: then such calls are eager's, whatever it is."""
        loose = [_C.ArgumentSpec.with_any_floats(kind.spec, spec) for kind in self.kinds if kind.state == state]
        loose = [one for one in loose if one is not None]
        if len(loose) < MOST_FLOATS:
            return False
        self.note(
            Refusal("varying_float", ", ".join(line for line in loose[-1].describe() if line.endswith("a float")))
        )
        callable_.add_entry(_C.Entry.eager(loose[-1], state))
        self.kinds = [kind for kind in self.kinds if _C.ArgumentSpec.with_any_floats(kind.spec, spec) is None]
        return True

    def spec_of(self, args, kwargs):
        """The arguments and what counts as such; a refusal as a tuple when they are not vouched for."""
        return _C.ArgumentSpec.build(
            args, kwargs, self.keyword_order_matters, self.by_structure, self.by_identity, self.places.rows()
        )

    def replaced_objects(self, spec):
        """The arguments, by path, in whose place an otherwise equal call had another object."""
        described, replaced = spec.describe(), set()
        for other in [*self.kinds, *self.entries]:
            earlier = dict(other.spec.objects)
            if other.spec.describe() == described:
                replaced |= {path for path, value in spec.objects if earlier.get(path) is not value}
        return replaced - self.by_structure - self.by_identity

    def state_of(self, executed, spec, memory, arguments):
        """The Python state that a call running this code depends on, as it is now."""
        places = self.places.by_owner()
        return snapshot(self.function, executed, spec.objects, arguments, spec.container_types, places)

    def learn(self, callable_, kind, known, args, kwargs, memory, arguments, trace, before, start):
        """Brings the kind of call one step further; a Refusal when this trace cannot be replayed."""
        if trace.refusal:
            return trace.refusal
        if self.looks_into_more(kind, memory.changed_objects() - self.by_identity):
            return None
        confirming = known is kind
        watched = before if known is None or confirming else None
        state = watched if watched is not None else self.state_of(trace.executed, kind.spec, memory, arguments)
        if state.refusal:
            return state.refusal
        if self.meets_arguments(kind, memory, state):
            return None
        if watched is not None and (changed := watched.changed()):
            if self.keeps_places(kind, watched, trace.executed):
                return None
            self.forget(kind)
            return Refusal("side_effect", ", ".join(changed[:4]))
        if changed := kind.spec.tensors_changed(arguments):
            return Refusal("side_effect", f"an argument was {changed}")
        outcome = memory.outcome(trace.result, trace.told)
        if outcome is None:
            return Refusal("side_effect", "a dict among the arguments was put in another order")
        result, effects = outcome
        if self.returns_tuples(kind, memory, args, kwargs, result):
            return None
        candidates = [tensor for _, tensor in state.tensors]
        results = []
        tree = _C.OutputTree.build(result, collector(results), state.objects, memory.containers)
        if isinstance(tree, tuple):
            return Refusal(*tree)
        program = trace.recording.functionalise(arguments, candidates, results, state.generators)
        if isinstance(program, tuple):
            kind.executed = trace.executed  # the next call is watched for attributes that it replaces
            return Refusal(*program)
        if op := chooses_by_rank(program):
            return Refusal("data_dependent", f"{op}: the last bit of a score may decide")
        tree = _C.OutputTree.build(result, classifier(results, program.outputs), state.objects, memory.containers)
        if isinstance(tree, tuple):
            return Refusal(*tree)
        captured = [candidates[i] for i in program.captured]
        call = CallAtHand(args, kwargs, memory, trace, before, start, state, program, tree, captured, effects, results)
        if not confirming:
            if not (program.is_generalisable and self.varying.is_on) and self.places.stop_counting():
                self.kinds.clear()
                return None
            self.first_trace(kind, trace, program, tree, captured, effects, state)
            if known is not None and (
                self.varying.take(callable_, kind, known, args, kwargs, memory, before, start, results, state)
                or self.value_sizes.widens(callable_, kind, known, call)
            ):
                self.kinds.remove(kind)
            return None
        if self.value_sizes.is_due(kind, program):
            outcome = self.value_sizes.take(callable_, kind, call)
            if outcome is not False:
                return outcome
        if not self.confirms(kind, trace, program, tree, captured, effects):
            self.first_trace(kind, trace, program, tree, captured, effects, state)
            return Refusal("unconfirmed", "") if kind.attempts >= ATTEMPTS else None
        if self.passed_containers(kind, memory):
            before.guards.add_reached(list(before.seen.values()))
        return self.publish(callable_, kind, before, program, tree, effects, results, start)

    def looks_into_more(self, kind, paths):
        """The call changes objects that were matched by identity: from now on they are matched by structure."""
        if paths <= self.by_structure:
            return False
        self.by_structure |= paths
        self.kinds.remove(kind)
        return True

    def keeps_places(self, kind, state, executed):
        """The call changed things outside its arguments: from now on they count as arguments."""
        new = self.places.take(state.replaced(), executed, state.met_names)
        if new:
            self.kinds.clear()  # they know nothing of the new ones
        return new

    def drop_unproved_places(self):
        dropped = self.places.drop_unproved()
        if dropped:
            self.kinds.clear()
        return dropped

    def meets_arguments(self, kind, memory, state):
        """Whether a container matched by structure is also part of the state, where code could tell it from an equal
        one: such are matched by identity.
        """
        passed = self.passed_containers(kind, memory)
        met = {path for path, value in passed if id(value) in state.seen and not isinstance(value, tuple)}
        roots = {root for root in self.by_structure for path in met if is_within(path, root)}
        if not met:
            return False
        self.by_identity |= met | roots
        self.by_structure -= roots
        self.kinds.remove(kind)
        return True

    def returns_tuples(self, kind, memory, args, kwargs, result):
        """Whether the call returns tuples that it was given: from now on they count as containers."""
        returned = set(tuples_in(result)) - set(map(id, memory.containers))
        if not returned:
            return False
        every = _C.ArgumentSpec.build(args, kwargs, True, {"*"})
        if isinstance(every, tuple):
            return False
        given = zip(every.container_paths(), every.containers(args, kwargs))
        return self.looks_into_more(kind, {path for path, value in given if id(value) in returned})

    def passed_containers(self, kind, memory):
        """(path, container) of those that were passed, or lie in a place that counts as an argument."""
        found = enumerate(zip(kind.spec.container_paths(), memory.containers))
        return [pair for i, pair in found if not kind.spec.is_owner(i)]

    def first_trace(self, kind, trace, program, tree, captured, effects, state):
        kind.program, kind.tree, kind.executed = program, tree, trace.executed
        kind.captured, kind.effects, kind.told = captured, effects, trace.told
        kind.planned = None
        # State guards own what they guard; of argument objects nothing may outlive them.
        kind.guards = None if kind.spec.objects else state.guards

    def forget(self, kind):
        kind.program = kind.tree = kind.executed = kind.captured = kind.guards = kind.planned = None

    def confirms(self, kind, trace, program, tree, captured, effects):
        """The second of two successive calls did what the first did."""
        return (
            program.same_as(kind.program)
            and tree.describe() == kind.tree.describe()
            and described(effects) == described(kind.effects)
            and same_sayings(trace.told, kind.told)
            and len(captured) == len(kind.captured)
            and all(a is b for a, b in zip(captured, kind.captured))
            and trace.executed.is_within(kind.executed)
        )

    def publish(self, callable_, kind, state, program, tree, effects, results, start):
        if kind.paths >= MOST_PATHS:
            return Refusal("too_many_paths", "values that Python reads keep changing")
        program.version_moves = start.version_moves()
        if kind.executed.operators_in_python and program.value_guards:
            return Refusal(
                "impure_call", "an operator written in Python, and values are read that may ask for another run"
            )
        compiled = _C.compile_program(program, self.options)
        # What an operator in Python does besides computing would be done once more.
        is_proved = not kind.executed.operators_in_python
        laid_out = layout.laid_out(program, self.options) if is_proved and not self.options.freeze else None
        twin = start.twin(program) if is_proved and (laid_out or self.may_freeze()) else None
        if is_proved and (problem := proof.disproves(compiled, program, start, results)):
            if problem == proof.DECLINED and program.value_guards:
                return Refusal("value_read", "a number that Python reads differs in its last bits")
            return Refusal("proof", problem)
        captured = kind.captured
        if laid_out and self.takes_place_of(compiled, laid_out.compiled, program, twin, results):
            compiled, layout_line = laid_out.compiled, laid_out.describe()
        else:
            layout_line = ""
        frozen, not_frozen = self.frozen(compiled, program, start.inputs, twin, results)
        if frozen:
            compiled = frozen.compiled
        paths = [state.path_of(tensor) for tensor in captured]
        try:
            entry = self.entry_of(kind, kind.spec, state, captured, compiled, tree, paths, effects, frozen)
        except ValueError as problem:  # a dual tensor, say
            return Refusal("tensor_kind", str(problem))
        freezing_line = "; ".join(filter(None, (layout_line, frozen.describe() if frozen else not_frozen)))
        times = time_steps(compiled, compiled, start)
        self.add_entry(callable_, entry, compiled, kind.spec, paths, kind, times, None, effects, freezing_line)
        self.kinds.remove(kind)
        return None

    def publish_symbolic(self, callable_, kind, waiting, state, paths, compiled, start):
        """An entry for many sizes; `compiled` is its program at those of this call."""
        spec, call, effects = waiting.spec, waiting.call, kind.effects
        entry = self.entry_of(kind, spec, state, kind.captured, None, waiting.tree, paths, effects, symbolic=call)
        times = time_steps(call, compiled, start)
        self.add_entry(callable_, entry, call, spec, paths, kind, times, waiting.shapes, effects)

    def entry_of(self, kind, spec, state, captured, compiled, tree, paths, effects=None, frozen=None, symbolic=None):
        known = {id(tensor) for tensor in captured}
        others = [(path, tensor) for path, tensor in state.tensors if id(tensor) not in known]
        guards = frozen and frozen.guards
        return _C.Entry(
            spec, kind.state, state.guards, captured, compiled, tree, paths, effects, guards, others, symbolic
        )

    def add_entry(self, callable_, entry, compiled, spec, paths, kind, times, shapes=None, effects=None, freezing=""):
        callable_.add_entry(entry, self.options.trial)
        self.places.prove()
        kept = callable_.entries  # one may have had to go
        self.entries = [published for published in self.entries if any(published.entry is other for other in kept)]
        kept = PublishedKind(kind, entry)
        self.entries.append(Published(callable_, entry, compiled, spec, paths, kept, times, shapes, effects, freezing))
        self.wasted = 0

    def count_entries(self, args, kwargs, for_many_sizes):
        """Of those whose arguments fit."""
        return sum(
            (other.shapes is not None) == for_many_sizes and other.spec.check(args, kwargs) for other in self.entries
        )

    def remove_entry(self, callable_, entry):
        callable_.remove_entry(entry)
        self.entries = [published for published in self.entries if published.entry is not entry]

    def takes_place_of(self, compiled, contender, program, start, results):
        """Whether another program for the same call is right and faster."""
        if proof.disproves(contender, program, start, results):
            return False
        return not self.options.trial or is_faster(contender, compiled, start)

    def may_freeze(self):
        return self.options.freeze and self.changes_of_weights <= freezing.MOST_CHANGES

    def frozen(self, compiled, program, inputs, start, results):
        """The program with its weights folded and packed, when it is right and faster; else None, and why."""
        if not self.options.freeze:
            return None, freezing.would_apply(program, inputs)
        if start is None:
            return None, "not frozen: its weights keep changing"
        frozen = freezing.frozen(program, inputs, self.options)
        if frozen is None:
            return None, ""
        if problem := proof.disproves(frozen.compiled, program, start, results):
            self.note(Refusal("proof", f"with frozen weights, {problem}"))
            return None, f"not frozen: {problem}"
        if self.options.trial and not is_faster(frozen.compiled, compiled, start):
            return None, "not frozen: it was not faster"
        return frozen, ""

    def forget_stale(self):
        """Lets go of entries whose weights have changed, and of what they kept of them."""
        stale = [published for published in self.entries if published.entry.is_stale]
        for published in stale:
            self.changes_of_weights += published.entry.hits < freezing.FEW_CALLS
            self.entries.remove(published)

    def refuse(self, callable_, kind, refusal):
        """Notes the refusal; a kind of call that will not do is run eagerly from now on, without a trace."""
        is_final = refusal.reason in LASTING or kind.attempts >= ATTEMPTS
        self.note(refusal, is_final and refusal.reason != "exception")
        self.wasted += 1
        if not is_final:
            return
        if kind in self.kinds:
            self.kinds.remove(kind)
        if refusal.reason == "exception":
            return  # what a call with bad values raises says nothing of other calls
        if self.options.strict:
            self.refused = [*self.refused[-15:], (kind.spec, kind.state, refusal)]
            return
        self.add_eager_entry(callable_, kind)
        module = children.module_behind(self.function)
        if module is not None and refusal.reason not in WITHOUT_CHILDREN:
            children.compile_children(module, self.options)

    def shadow(self, entry, args, kwargs):
        return rehearsal.shadow(self, entry, args, kwargs)

    def rehearse(self, entry, args, kwargs):
        return rehearsal.rehearse(self, entry, args, kwargs)

    def published(self, entry):
        return next((item for item in self.entries if item.entry is entry), None)

    def add_eager_entry(self, callable_, kind):
        """Calls of this kind go straight to the function from now on."""
        callable_.add_entry(_C.Entry.eager(kind.spec, kind.state))

    def give_up(self, callable_):
        """No more traces; a callable without entries becomes its function."""
        self.given_up = True
        evicted = callable_.counters["evicted"]
        many = f"{evicted} entries had to go for others"
        refusal = Refusal(
            "too_many_entries", many if evicted >= MOST_EVICTED else f"{WASTED_TRACES} traces led to no entry"
        )
        self.note(refusal, is_final=True)
        if self.options.strict:
            self.refused = [(None, None, refusal)]
        elif not self.entries:
            callable_.disable()
            if (module := children.module_behind(self.function)) is not None:
                children.compile_children(module, self.options)

    def note(self, refusal, is_final=False):
        key = (refusal.reason, refusal.detail, refusal.where)
        if is_final:
            self.final.add(key)
        self.refusals[key] = self.refusals.get(key, 0) + 1
        _C.log_line("refusals", f"{self.name}: {refusal.reason} {refusal.detail} {refusal.where or ''}".rstrip())

    def report(self):
        """What braze.explain shows: a braze.report.FunctionReport."""
        stages = {}
        origins = [0, 0, 0]
        for published in self.entries:
            for name, milliseconds in published.compiled.stages:
                stages[name] = stages.get(name, 0.0) + milliseconds
            origins = [total + new for total, new in zip(origins, published.compiled.kernel_origins)]
        return FunctionReport(
            name=self.name,
            entries=tuple(entry_report(published) for published in self.entries),
            refusals=tuple(refusal_report(*key, count, key in self.final) for key, count in self.refusals.items()),
            stages=tuple(StageReport(name, milliseconds) for name, milliseconds in stages.items()),
            kernels_compiled=origins[0],
            kernels_from_memory=origins[1],
            kernels_from_disk=origins[2],
            static_sizes=tuple(self.varying.reasons),
        )


def tuples_in(result):
    """The ids of the tuples in a result of lists, dicts and tuples."""
    todo, seen = [result], set()
    while todo:
        value = todo.pop()
        if id(value) in seen or not isinstance(value, (tuple, list, dict)):
            continue
        seen.add(id(value))
        if isinstance(value, tuple):
            yield id(value)
        todo.extend(dict.values(value) if isinstance(value, dict) else value)


def time_steps(program, compiled, start):
    """Microseconds of each step of the launch list; none for operators of the user's own, which eager runs once a call."""
    if not all(op.partition("::")[0] in ("aten", "mkldnn", "mkl") for op in program.externs):
        return []
    with start.rewound():
        return compiled.time_steps(start.tensors, 2)


def takes_keywords(function):
    """Whether the function has a **kwargs parameter, by which it can see their order."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def refusal_report(reason, detail, where, count, is_final):
    file, _, line = (where or "").rpartition(":")
    return RefusalReport(reason, detail, file, int(line) if line.isdigit() else 0, count, is_final)
