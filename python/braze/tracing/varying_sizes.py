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
from braze.tracing.publishing import publish_symbolic
from braze.tracing.results import classifier, collector, described, integers_of
from braze.tracing.shape_function import ShapeFunction
from braze.tracing.tape import Busy, Unlearnable

MOST_FAILURES = 8  # so many calls that could not be made one are enough for a callable
MOST_WAITING = 4
MOST_PATHS = 4  # entries for many sizes that differ in the way Python takes


class Generalisation:
    """A program for many sizes that waits for its proof."""

    def __init__(self, spec, known, symbolic, shapes, tree):
        self.spec = spec
        self.state = known.state
        self.program = known.program
        self.tree = tree
        self.result = known.result
        self.effects = known.effects
        self.executed = known.executed
        self.captured = known.captured
        self.state_holds = known.guards.check
        self.call = symbolic
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
        if len(self.session.entries_for(args, kwargs, for_many_sizes=True)) >= MOST_PATHS:
            return None
        for waiting in self.waiting:
            if waiting.is_proved_by(kind, args, kwargs):
                return waiting
        known = [other.newest for other in reversed(self.session.kinds) if other.pending]
        known += [published.kind for published in reversed(self.session.entries)]
        for other in known:
            if (
                other.program.is_generalisable
                and other.state == kind.state
                and other.tensors() is not None
                and _C.ArgumentSpec.generalise(other.spec, kind.spec) is not None
                and other.state_holds()
            ):
                return other
        return None

    def take(self, callable_, kind, relative, call):
        """Brings the first call of its kind together with its relative. True when an entry came of it."""
        try:
            return self.bring_together(callable_, kind, relative, call)
        except Exception:
            self.failures = MOST_FAILURES  # a bug of ours, which the next sizes would meet again
            raise

    def bring_together(self, callable_, kind, relative, call):
        known = kind.newest
        if not known.program.is_generalisable or known.guards is None:
            return False
        if known.told or known.executed.operators_in_python:  # the learning run would say and do it again
            return False
        if call.before.refusal or call.before.changed() or not known.executed.is_within(relative.executed):
            return False
        tensors = relative.tensors()
        if len(tensors) != len(call.captured) or any(a is not b for a, b in zip(tensors, call.captured)):
            return False
        if known.result != relative.result or described(call.effects) != described(relative.effects):
            return False
        if call.program.mutated_slots != relative.program.mutated_slots:
            return False
        call.start = call.start.narrowed(call.arguments, call.captured, call.program)
        call.program.version_moves = call.start.version_moves()
        if isinstance(relative, Generalisation):
            return self.prove(callable_, kind, relative, call)
        self.combine(known, relative, call)
        return False

    # The second call.

    def combine(self, known, relative, call):
        spec = _C.ArgumentSpec.generalise(relative.spec, known.spec)
        first, second = map(list, zip(*spec.symbols))
        relative.program.version_moves = call.program.version_moves  # every replay of the tape counts them
        symbolic = _C.SymbolicCall.unify(self.planned(relative), self.planned(known), spec)
        if symbolic is None:
            return self.stay_static("the programs at two sizes differ in more than sizes")
        if call.before.changed_caches():
            return self.stay_static("a functools cache would keep sizes")
        arguments = call.start.inputs[: spec.tensor_count]
        lesson = learn(self.session.function, call.args, call.kwargs, arguments, spec, call.memory, call.start)
        if call.before.changed():  # sizes of the learning run were put away: let plain ones take their place
            self.failures = MOST_FAILURES
            with call.start.rewound(), call.memory.rewound(call.start):
                self.session.function(*call.args, **call.kwargs)
            return self.stay_static("the code keeps sizes")
        if isinstance(lesson, str):
            return self.stay_static(lesson)
        try:
            shapes, tree = self.shape_function(relative, lesson, spec, arguments, call)
            if not shapes.learn_reads(symbolic, first, second):
                return self.stay_static(shapes.problem)
        except Unlearnable as problem:
            return self.stay_static(str(problem))
        except Busy:
            return False
        symbolic.set_admit(shapes)
        self.waiting = self.waiting[1 - MOST_WAITING :] + [Generalisation(spec, known, symbolic, shapes, tree)]

    def shape_function(self, relative, lesson, spec, arguments, call):
        """(the ShapeFunction, the output tree) of the learning run, once it is clear that it did what the call did."""
        results, returned = [], []
        outcome, effects = lesson.outcome
        objects, containers, generators = call.state.objects, call.memory.containers, call.state.generators
        _C.OutputTree.build(outcome, collector(results), objects, containers, integers_of([]))
        program = lesson.recording.functionalise(arguments, call.captured, results, generators)
        if isinstance(program, tuple):
            raise Unlearnable(": ".join(program))
        classify = classifier(results, program.outputs)
        tree = _C.OutputTree.build(outcome, classify, objects, containers, integers_of(returned))
        if (
            isinstance(tree, tuple)
            or tree.describe() != call.tree.describe()
            or described(effects) != described(call.effects)
            or not program.same_as(call.program)
        ):
            raise Unlearnable("the code does something else when sizes vary")
        for (integer, varies), earlier in zip(tree.integers, relative.integers):
            if not varies and integer != earlier:
                raise Unlearnable("a number that is returned is not known to follow from sizes")
        tape = lesson.tape
        if any(id(tensor) not in tape.slots for tensor in call.captured):
            raise Unlearnable("a tensor is read by something that is no PyTorch function")
        captured = [tape.operand(tensor).index for tensor in call.captured]
        written = [tensor for slot, tensor in enumerate(call.captured, len(arguments)) if slot in program.mutated_slots]
        tape.finish(results, generators, call.program.drawn, written)
        return ShapeFunction(spec, lesson, captured, returned, self.session.options), tree

    def planned(self, known):
        if known.planned is None:
            known.planned = _C.plan_program(known.program, self.session.options)
        return known.planned

    # The third.

    def prove(self, callable_, kind, waiting, call):
        self.waiting.remove(waiting)
        if not waiting.call.agrees(self.planned(kind.newest), waiting.sizes):
            return self.stay_static("the program at a third size is another one")
        waiting.call.compile(self.session.options)
        numbers = waiting.shapes(waiting.call, waiting.sizes)
        expected = [kept for (kept, _), (_, varies) in zip(call.tree.integers, waiting.tree.integers) if varies]
        unvaried = [kept for (kept, _), (_, varies) in zip(call.tree.integers, waiting.tree.integers) if not varies]
        if numbers != expected or unvaried != [kept for kept, varies in waiting.tree.integers if not varies]:
            return self.stay_static("a number that is returned follows another rule at a third size")
        compiled = waiting.call.at(waiting.sizes)
        if compiled is None:
            return self.stay_static("the program does not hold at a third size")
        if problem := proof.disproves(compiled, call.program, call.start, call.results):
            return self.stay_static(f"at a third size, {problem}")
        publish_symbolic(self.session, callable_, kind, kind.newest, waiting, compiled, call)
        self.failures = 0
        return True

    def stay_static(self, reason):
        self.failures += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        _C.log_line("refusals", f"{self.session.name}: sizes stay static: {reason}")
        return False
