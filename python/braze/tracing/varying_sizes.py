"""One entry for many sizes, made from calls that differ in sizes only: of tensors, and integers that Python code passes.

The second call of a kind at other sizes gives the program its expressions (braze._C.SymbolicCall.unify) and its shape
function (a learning run). A third, at sizes of its own, proves it: it is traced as any call, must come out as the
program says, integer for integer, and the compiled code must give its results. Whatever does not fit stays static.

A call may write its arguments and change the containers among them, as a decode step does with its cache: the
learning run begins with what they held before the call, and the caller finds them as the call left them.
"""

from braze import _C
from braze.tracing import proof
from braze.tracing.learning import learn
from braze.tracing.results import classifier, collector, described, integers_of
from braze.tracing.shape_function import ShapeFunction
from braze.tracing.tape import Busy, Unlearnable

MOST_FAILURES = 8  # so many calls that could not be made one are enough for a callable
MOST_WAITING = 4
MOST_PATHS = 4  # entries for many sizes that differ in the way Python takes


class Generalisation:
    """A program for many sizes that waits for its proof."""

    def __init__(self, spec, kind, call, shapes, tree):
        self.spec = spec
        self.state = kind.state
        self.program = kind.program
        self.tree = tree
        self.result = kind.result
        self.effects = kind.effects
        self.executed = kind.executed
        self.captured = kind.captured
        self.state_holds = kind.guards.check
        self.call = call
        self.shapes = shapes
        self.sizes = None  # of the call that may prove it

    def tensors(self):
        return self.captured

    def is_proved_by(self, kind, args, kwargs):
        """Whether a call is one that it should answer."""
        if self.state != kind.state or not self.spec.check(args, kwargs) or not self.state_holds():
            return False
        self.sizes = self.spec.symbol_values(args, kwargs)
        return isinstance(self.shapes(self.call, self.sizes), list)


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
        if not kind.program.is_generalisable or kind.guards is None:
            return False
        if kind.told or kind.executed.operators_in_python:  # the learning run would say and do it again
            return False
        if before.refusal or before.changed() or not kind.executed.is_within(relative.executed):
            return False
        tensors = relative.tensors()
        if len(tensors) != len(kind.captured) or any(a is not b for a, b in zip(tensors, kind.captured)):
            return False
        if kind.result != relative.result or described(kind.effects) != described(relative.effects):
            return False
        if kind.program.mutated_slots != relative.program.mutated_slots:
            return False
        kind.program.version_moves = start.version_moves()
        if isinstance(relative, Generalisation):
            return self.prove(callable_, kind, relative, memory, before, start, results)
        self.combine(kind, relative, args, kwargs, memory, before, start, state)
        return False

    # The second call.

    def combine(self, kind, relative, args, kwargs, memory, before, start, state):
        spec = _C.ArgumentSpec.generalise(relative.spec, kind.spec)
        first, second = map(list, zip(*spec.symbols))
        relative.program.version_moves = kind.program.version_moves  # every replay of the tape counts them
        call = _C.SymbolicCall.unify(self.planned(relative), self.planned(kind), spec)
        if call is None:
            return self.stay_static("the programs at two sizes differ in more than sizes")
        arguments = start.inputs[: spec.tensor_count]
        lesson = learn(self.session.function, args, kwargs, arguments, spec, memory, start)
        if before.changed():  # sizes of the learning run were put away: let plain ones take their place
            self.failures = MOST_FAILURES
            with start.rewound(), memory.rewound(start):
                self.session.function(*args, **kwargs)
            return self.stay_static("the code keeps sizes")
        if isinstance(lesson, str):
            return self.stay_static(lesson)
        try:
            shapes, tree = self.shape_function(kind, relative, lesson, spec, arguments, memory, state)
            if not shapes.learn_reads(call, first, second):
                return self.stay_static(shapes.problem)
        except Unlearnable as problem:
            return self.stay_static(str(problem))
        except Busy:
            return False
        call.set_admit(shapes)
        self.waiting = self.waiting[1 - MOST_WAITING :] + [Generalisation(spec, kind, call, shapes, tree)]

    def shape_function(self, kind, relative, lesson, spec, arguments, memory, state):
        """(the ShapeFunction, the output tree) of the learning run, once it is clear that it did what the call did."""
        results, returned = [], []
        outcome, effects = lesson.outcome
        _C.OutputTree.build(outcome, collector(results), state.objects, memory.containers, integers_of([]))
        program = lesson.recording.functionalise(arguments, kind.captured, results, state.generators)
        if isinstance(program, tuple):
            raise Unlearnable(": ".join(program))
        classify = classifier(results, program.outputs)
        tree = _C.OutputTree.build(outcome, classify, state.objects, memory.containers, integers_of(returned))
        if (
            isinstance(tree, tuple)
            or tree.describe() != kind.tree.describe()
            or described(effects) != described(kind.effects)
            or not program.same_as(kind.program)
        ):
            raise Unlearnable("the code does something else when sizes vary")
        for (integer, varies), earlier in zip(tree.integers, relative.integers):
            if not varies and integer != earlier:
                raise Unlearnable("a number that is returned is not known to follow from sizes")
        tape = lesson.tape
        if any(id(tensor) not in tape.slots for tensor in kind.captured):
            raise Unlearnable("a tensor is read by something that is no PyTorch function")
        captured = [tape.operand(tensor).index for tensor in kind.captured]
        written = [tensor for slot, tensor in enumerate(kind.captured, len(arguments)) if slot in program.mutated_slots]
        tape.finish(results, state.generators, kind.program.drawn, written)
        return ShapeFunction(spec, lesson, captured, returned, self.session.options), tree

    def planned(self, kind):
        if kind.planned is None:
            kind.planned = _C.plan_program(kind.program, self.session.options)
        return kind.planned

    # The third.

    def prove(self, callable_, kind, waiting, memory, before, start, results):
        self.waiting.remove(waiting)
        if not waiting.call.agrees(self.planned(kind), waiting.sizes):
            return self.stay_static("the program at a third size is another one")
        waiting.call.compile(self.session.options)
        numbers = waiting.shapes(waiting.call, waiting.sizes)
        expected = [kept for (kept, _), (_, varies) in zip(kind.tree.integers, waiting.tree.integers) if varies]
        unvaried = [kept for (kept, _), (_, varies) in zip(kind.tree.integers, waiting.tree.integers) if not varies]
        if numbers != expected or unvaried != [kept for kept, varies in waiting.tree.integers if not varies]:
            return self.stay_static("a number that is returned follows another rule at a third size")
        compiled = waiting.call.at(waiting.sizes)
        if compiled is None:
            return self.stay_static("the program does not hold at a third size")
        if problem := proof.disproves(compiled, kind.program, start, results):
            return self.stay_static(f"at a third size, {problem}")
        paths = [before.path_of(tensor) for tensor in kind.captured]
        if memory.containers:
            before.guards.add_reached(list(before.seen.values()))
        self.session.publish_symbolic(callable_, kind, waiting, before, paths, compiled, start)
        self.failures = 0
        return True

    def stay_static(self, reason):
        self.failures += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        _C.log_line("refusals", f"{self.session.name}: sizes stay static: {reason}")
        return False
