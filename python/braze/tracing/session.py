"""The cold path of one compiled callable: from a miss to a trace, a confirmed trace, a compiled and proved entry, or a refusal."""

import inspect
import threading

from braze import _C
from braze.errors import NotCompiledError
from braze.report import FunctionReport, StageReport
from braze.tracing import children, freezing, proof, rehearsal
from braze.tracing.argument_matching import ArgumentMatching
from braze.tracing.argument_memory import REORDERED, ArgumentMemory
from braze.tracing.call_kind import CallAtHand, CallKind
from braze.tracing.entry_report import entry_report, refusal_report
from braze.tracing.executed_code import ExecutedCode
from braze.tracing.publishing import publish
from braze.tracing.reachable import snapshot
from braze.tracing.refusal import Refusal
from braze.tracing.results import classifier, collector
from braze.tracing.stage_source import PathLeft
from braze.tracing.trace import trace_call
from braze.tracing.value_sizes import ValueSizes, chooses_by_rank
from braze.tracing.varying_sizes import VaryingSizes

# Tracing is many times slower than a call, so a callable that keeps changing is left alone after this many traces that led to nothing.
WASTED_TRACES = 32
# ... and with so many of them, what calls change outside their arguments is no longer thought to settle down.
WASTED_ON_PLACES = 8
# ... or after so many entries that had to go for others.
MOST_EVICTED = 32
# Calls of one kind are traced this often before they count as not replayable: the first may warm up caches that the code keeps.
ATTEMPTS = 4
# ... or this often where each was traced well and did something else: ways that alternate take that many to come again.
MOST_UNCONFIRMED = 6
# So many calls that differ in a float alone, none of them made twice, show that there will be ever more.
MOST_FLOATS = 6
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


class Session:
    """Decides what to do with the calls that no entry answers. One for each callable; `miss` is called by it."""

    def __init__(self, function, options, name, attributes_matter=True):
        """`attributes_matter`: the function may read attributes that Python has set on tensors it is given."""
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
        self.changes_of_weights = 0
        self.matching = ArgumentMatching(takes_keywords(function), attributes_matter)
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
        try:
            begun = self.begin(callable_, args, kwargs)
        except NotCompiledError:
            raise
        except Exception as error:
            begun = None
            self.note(Refusal.internal(error))
            self.wasted += 1
            if self.wasted >= WASTED_TRACES:
                self.give_up(callable_)
        if begun is None:
            return self.function(*args, **kwargs)
        kind, relative, call = begun
        try:
            call.trace = trace_call(self.function, args, kwargs)
        except PathLeft:  # a stage, at sizes that are none of its own
            self.kinds.remove(kind)
            self.add_eager_entry(callable_, kind)
            raise
        except Exception:
            self.refuse(callable_, kind, Refusal("exception", "the traced call raised"))
            raise
        if call.trace is None:
            return self.function(*args, **kwargs)
        try:
            refusal = self.learn(callable_, kind, relative, call)
        except Exception as error:
            refusal = Refusal.internal(error)
        if refusal:
            self.refuse(callable_, kind, refusal)
        return call.trace.result

    def begin(self, callable_, args, kwargs):
        """What is known before the call: its kind, a relative of that, and itself. None when it is eager's."""
        self.forget_stale()
        kind = None if self.value_sizes.is_stray(args, kwargs) else self.kind_of(callable_, args, kwargs)
        if kind is None:
            return None
        kind.attempts += 1
        memory = ArgumentMemory(kind.spec, args, kwargs, self.matching.places.by_owner())
        call = CallAtHand(args, kwargs, memory, kind.spec.tensors(args, kwargs))
        paths = self.entries_for(args, kwargs, for_many_sizes=False)
        kind.paths = len(paths)
        kind.values_decide = any(path.kind.state == kind.state and path.kind.state_holds() for path in paths)
        kind.expect(call)
        relative = None if call.expected else self.relative_of(kind, args, kwargs)
        if known := call.expected or [relative] * (relative is not None):
            call.code = ExecutedCode.of_any([other.executed for other in known])
            call.start = proof.CallStart.of_any(call.arguments, known)
        else:
            call.code = kind.executed
        if call.code is not None:
            call.before = self.state_before(kind, call)
        return kind, relative, call

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
        matching = self.matching
        spec = matching.spec_of(args, kwargs)
        if isinstance(spec, tuple) and self.drop_unproved_places():
            spec = matching.spec_of(args, kwargs)
        earlier = [other.spec for other in [*self.kinds, *self.entries]]
        others = set() if isinstance(spec, tuple) else matching.replaced_objects(spec, earlier)
        if matching.look_into(others):
            spec = matching.spec_of(args, kwargs)
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

    def state_before(self, kind, call):
        """The Python state that this call, which is about to begin, depends on if it runs the code that is expected."""
        if len(call.same_state) == len(call.expected) == 1:
            known = call.expected[0].closed_state
            if known is not None and known.guards.check_aliases(call.arguments):
                return known  # its guards hold, so a walk would find the same once more
        return self.state_of(call.code, kind.spec, call)

    def state_of(self, executed, spec, call):
        """The Python state that a call running this code depends on, as it is now."""
        places, fresh_keyed = self.matching.places.by_owner(), self.matching.fresh_keyed
        return snapshot(
            self.function, executed, spec.objects, call.arguments, spec.container_types, places, fresh_keyed
        )

    def learn(self, callable_, kind, relative, call):
        """Brings the kind of call one step further; a Refusal when this trace cannot be replayed."""
        trace, matching = call.trace, self.matching
        if trace.refusal:
            return trace.refusal
        if call.code is not None and trace.executed.asks_other_modules(call.code):
            trace.executed.module_reads.widen()
        if matching.look_into_changed(call.memory):
            self.kinds.remove(kind)
            return None
        watched = call.before if relative is None else None
        call.state = watched if watched is not None else self.state_of(trace.executed, kind.spec, call)
        if call.state.refusal:
            return call.state.refusal
        if matching.leave_shared(kind.spec, call.memory, call.state):
            self.kinds.remove(kind)
            return None
        if watched is not None and (changed := watched.changed()):
            leaves_caches = matching.leave_caches(call)
            if matching.places.take(watched.replaced(), trace.executed, watched.met_names) or leaves_caches:
                self.kinds.clear()  # they know nothing of the new ones
                return None
            kind.forget()
            return Refusal("side_effect", ", ".join(changed[:4]))
        if changed := kind.spec.tensors_changed(call.arguments):
            return Refusal("side_effect", f"an argument was {changed}")
        outcome = call.memory.outcome(trace.result, trace.told)
        if outcome is None:
            return Refusal("side_effect", REORDERED)
        result, call.effects = outcome
        if matching.look_into_returned(call, result):
            self.kinds.remove(kind)
            return None
        if refusal := capture(kind, call, result):
            return refusal
        if call.before is not None and (cache := matching.cache_that_counts(call)):
            self.kinds.clear()
            return Refusal("side_effect", f"the cache of {cache}")
        if not call.expected:
            return self.keep(callable_, kind, relative, call)
        if self.value_sizes.is_due(kind, call):
            outcome = self.value_sizes.take(callable_, kind, call)
            if outcome is not False:
                return outcome
        if known := kind.repeated_by(call):
            return publish(self, callable_, kind, known, call)
        kind.keep(call)
        if kind.attempts < MOST_UNCONFIRMED:
            return None
        return Refusal("unconfirmed", f"{kind.attempts} calls with equal arguments")

    def keep(self, callable_, kind, relative, call):
        """Remembers the first call of its kind. A relative at other sizes may make an entry for many of it."""
        generalises = call.program.is_generalisable and self.varying.is_on
        if not generalises and self.matching.places.stop_counting():
            self.kinds.clear()
            return
        kind.keep(call)
        if relative is not None and (
            self.varying.take(callable_, kind, relative, call)
            or self.value_sizes.widens(callable_, kind, relative, call)
        ):
            self.kinds.remove(kind)

    def drop_unproved_places(self):
        dropped = self.matching.places.drop_unproved()
        if dropped:
            self.kinds.clear()
        return dropped

    def add_entry(self, callable_, published):
        callable_.add_entry(published.entry, self.options.trial)
        self.matching.places.prove()
        kept = callable_.entries  # one may have had to go
        self.entries = [other for other in self.entries if any(other.entry is entry for entry in kept)]
        self.entries.append(published)
        self.wasted = 0

    def entries_for(self, args, kwargs, for_many_sizes):
        """Those whose arguments fit."""
        entries = [other for other in self.entries if (other.shapes is not None) == for_many_sizes]
        return [other for other in entries if other.spec.check(args, kwargs)]

    def remove_entry(self, callable_, entry):
        callable_.remove_entry(entry)
        self.entries = [published for published in self.entries if published.entry is not entry]

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
        return rehearsal.call_both_ways(self, rehearsal.Shadow, entry, args, kwargs)

    def rehearse(self, entry, args, kwargs):
        return rehearsal.call_both_ways(self, rehearsal.Rehearsal, entry, args, kwargs)

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


def capture(kind, call, result):
    """Fills in what the call did; a Refusal when that cannot be replayed. `result`: what it returned and put elsewhere."""
    candidates = [tensor for _, tensor in call.state.tensors]
    objects, containers, results = call.state.objects, call.memory.containers, []
    tree = _C.OutputTree.build(result, collector(results), objects, containers)
    if isinstance(tree, tuple):
        return Refusal(*tree)
    program = call.trace.recording.functionalise(call.arguments, candidates, results, call.state.generators)
    if isinstance(program, tuple):
        kind.forget()
        kind.executed = call.trace.executed  # the next call is watched for attributes that it replaces
        return Refusal(*program)
    if op := chooses_by_rank(program):
        return Refusal("data_dependent", f"{op}: the last bit of a score may decide")
    tree = _C.OutputTree.build(result, classifier(results, program.outputs), objects, containers)
    if isinstance(tree, tuple):
        return Refusal(*tree)
    call.program, call.tree, call.results = program, tree, results
    call.captured = [candidates[i] for i in program.captured]
    return None


def takes_keywords(function):
    """Whether the function has a **kwargs parameter, by which it can see their order."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
