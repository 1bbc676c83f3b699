"""One entry for many sizes, made from calls that differ in sizes only.

The second call of a kind at other sizes gives the program its expressions (braze._C.SymbolicCall.unify) and its shape
function (a learning run). A third, at sizes of its own, proves it: it is traced as any call, must come out as the
program says, integer for integer, and the compiled code must give its results. Whatever does not fit stays static.
"""

from braze import _C
from braze.tracing.learning import learn
from braze.tracing.results import classifier, collector
from braze.tracing.shape_function import ShapeFunction
from braze.tracing.tape import Busy, Unlearnable

MOST_FAILURES = 8  # so many calls that could not be made one are enough for a callable
MOST_WAITING = 4
MOST_PATHS = 4  # entries for many sizes that differ in the way Python takes
MOST_SLOWER = 2
TRIAL_CALLS = 20


class Generalisation:
    """A program for many sizes that waits for its proof."""

    def __init__(self, spec, kind, call, shapes):
        self.spec = spec
        self.state = kind.state
        self.program = kind.program
        self.tree = kind.tree
        self.result = kind.result
        self.executed = kind.executed
        self.captured = kind.captured
        self.state_holds = kind.guards.check
        self.call = call
        self.shapes = shapes
        self.slower = 0

    def tensors(self):
        return self.captured

    def is_proved_by(self, kind, args, kwargs):
        """Whether a call is one that it should answer."""
        return (
            self.state == kind.state
            and self.spec.check(args, kwargs)
            and self.state_holds()
            and self.shapes(self.call, sizes_of(self.spec, args, kwargs))
        )


class VaryingSizes:
    """The part of a session that looks for calls which differ in sizes only."""

    def __init__(self, session):
        self.session = session
        self.waiting = []
        self.failures = 0
        self.reasons = {}  # why calls stayed static -> how often

    @property
    def is_on(self):
        options = self.session.options
        return options.dynamic is not False and not options.freeze and self.failures < MOST_FAILURES

    def relative_of(self, kind, args, kwargs):
        """A Generalisation that the call can prove, or a known kind of call that differs in sizes only, or None."""
        if not self.is_on:
            return None
        if self.session.count_entries(args, kwargs, for_many_sizes=True) >= MOST_PATHS:
            return None
        for waiting in self.waiting:
            if waiting.is_proved_by(kind, args, kwargs):
                return waiting
        known = [other for other in reversed(self.session.kinds) if other is not kind]
        known += [published.kind for published in reversed(self.session.entries) if published.kind is not None]
        for other in known:
            if (
                other.program is not None
                and other.program.is_generalisable
                and other.state == kind.state
                and other.tensors() is not None
                and _C.ArgumentSpec.generalise(other.spec, kind.spec) is not None
                and other.state_holds()
            ):
                return other
        return None

    def take(self, callable_, kind, relative, args, kwargs, memory, before, start, results, state):
        """Brings a freshly traced kind of call together with its relative. True when an entry came of it."""
        try:
            return self.bring_together(callable_, kind, relative, args, kwargs, memory, before, start, results, state)
        except Exception:
            self.failures = MOST_FAILURES  # a bug of ours, which the next sizes would meet again
            raise

    def bring_together(self, callable_, kind, relative, args, kwargs, memory, before, start, results, state):
        if not kind.program.is_generalisable or kind.guards is None or kind.effects is not None:
            return False
        if before.refusal or before.changed() or not kind.executed.is_within(relative.executed):
            return False
        tensors = relative.tensors()
        if len(tensors) != len(kind.captured) or any(a is not b for a, b in zip(tensors, kind.captured)):
            return False
        if kind.result != relative.result:
            return False
        if isinstance(relative, Generalisation):
            return self.prove(callable_, kind, relative, args, kwargs, memory, before, start, results)
        self.combine(kind, relative, args, kwargs, memory, before, start, state)
        return False

    # The second call.

    def combine(self, kind, relative, args, kwargs, memory, before, start, state):
        spec = _C.ArgumentSpec.generalise(relative.spec, kind.spec)
        first = [symbol[2] for symbol in spec.symbols]
        second = [symbol[3] for symbol in spec.symbols]
        call = _C.SymbolicCall.unify(self.planned(relative), self.planned(kind), spec)
        if call is None:
            return self.stay_static("the programs at two sizes differ in more than sizes")
        arguments = spec.tensors(args, kwargs)
        with start.rewound():
            lesson = learn(self.session.function, args, kwargs, arguments, spec)
            if before.changed():  # sizes of the learning run were put away: let plain ones take their place
                self.failures = MOST_FAILURES
                self.session.function(*args, **kwargs)
                return self.stay_static("the code keeps sizes")
        if isinstance(lesson, str):
            return self.stay_static(lesson)
        try:
            shapes = self.shape_function(kind, lesson, spec, arguments, memory, state)
            if not shapes.learn_reads(call, first, second):
                return self.stay_static(shapes.problem)
        except Unlearnable as problem:
            return self.stay_static(str(problem))
        except Busy:
            return False
        call.set_admit(shapes)
        self.waiting = self.waiting[1 - MOST_WAITING :] + [Generalisation(spec, kind, call, shapes)]

    def shape_function(self, kind, lesson, spec, arguments, memory, state):
        """Of the learning run, once it is clear that it did what the call did."""
        results = []
        _C.OutputTree.build(lesson.result, collector(results), state.objects, memory.containers)
        program = lesson.recording.functionalise(arguments, kind.captured, results, state.generators)
        if isinstance(program, tuple):
            raise Unlearnable(": ".join(program))
        tree = _C.OutputTree.build(
            lesson.result, classifier(results, program.outputs), state.objects, memory.containers
        )
        if isinstance(tree, tuple) or tree.describe() != kind.tree.describe() or not program.same_as(kind.program):
            raise Unlearnable("the code does something else when sizes vary")
        tape = lesson.tape
        if any(id(tensor) not in tape.slots for tensor in kind.captured):
            raise Unlearnable("a tensor is read by something that is no PyTorch function")
        captured = [tape.operand(tensor).index for tensor in kind.captured]
        tape.finish(results, state.generators, kind.program.drawn)
        return ShapeFunction(spec, lesson, captured, self.session.options)

    def planned(self, kind):
        if kind.planned is None:
            kind.planned = _C.plan_program(kind.program, self.session.options)
        return kind.planned

    # The third.

    def prove(self, callable_, kind, waiting, args, kwargs, memory, before, start, results):
        self.waiting.remove(waiting)
        if not waiting.call.agrees(self.planned(kind), sizes_of(waiting.spec, args, kwargs)):
            return self.stay_static("the program at a third size is another one")
        waiting.call.compile(self.session.options)
        if problem := self.session.disproves(waiting.call, kind.program, start, results):
            return self.stay_static(f"at a third size, {problem}")
        paths = [before.path_of(tensor) for tensor in kind.captured]
        if memory.containers:
            before.guards.add_reached(list(before.seen.values()))
        entry = self.session.entry_of(kind, waiting.spec, before, kind.captured, waiting.call, waiting.tree, paths)
        self.session.add_entry(callable_, entry, waiting.call, waiting.spec, paths, kind, start, waiting.shapes)
        if self.is_slower(callable_, entry, start, args, kwargs):
            waiting.slower += 1
            if waiting.slower < MOST_SLOWER:  # it may be faster at other sizes
                self.session.remove_entry(callable_, entry)
                self.waiting.append(waiting)
                return False
        self.failures = 0
        return True

    def is_slower(self, callable_, entry, start, args, kwargs):
        """The trial, all at one size: samples at different sizes would say nothing."""
        for _ in range(TRIAL_CALLS):
            if entry.state != "on trial":
                break
            with start.rewound():
                callable_(*args, **kwargs)
        return entry.state == "slower"

    def stay_static(self, reason):
        self.failures += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        _C.log_line("refusals", f"{self.session.name}: sizes stay static: {reason}")
        return False


def sizes_of(spec, args, kwargs):
    tensors = spec.tensors(args, kwargs)
    return [tensors[tensor].size(dim) for tensor, dim, _, _ in spec.symbols]
