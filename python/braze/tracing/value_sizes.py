"""The part of a session for calls whose sizes, or whole numbers that Python gets, follow the values of tensors.

Where such sizes are the same at each call, an ordinary entry does, which checks them. Where they differ, the call is
kept as stages (stage_source.py): a run over its steps, with the user's code out of the way, has to give the recording
of the call itself, operator for operator, before it is used.
"""

from braze import _C
from braze.tracing import proof
from braze.tracing.results import collector, described
from braze.tracing.stage_source import PathLeft, StagedSource
from braze.tracing.staged_call import StagedCall
from braze.tracing.staged_tape import learn_steps
from braze.tracing.tape import Unlearnable
from braze.tracing.trace import plain_paths

MOST_FAILURES = 4


class ValueSizes:
    def __init__(self, session):
        self.session = session
        self.failures = 0
        self.problem = ""  # why a call could not be put into stages, last
        self.stages = {}  # what a stage is -> the compiled function

    def is_due(self, kind, program):
        """Whether the call at hand, the second of its kind, shows that an entry for one size will not do."""
        if not (program.sized_by_values or program.value_guards) or self.failures >= MOST_FAILURES:
            return False
        return kind.paths > 0 or not program.same_as(kind.program)

    def take(self, callable_, kind, call):
        """Puts a confirming call into stages and publishes that. True when it did."""
        try:
            self.publish(callable_, kind, call)
        except Unlearnable as problem:
            self.failures += 1
            self.problem = str(problem)
            _C.log_line("refusals", f"{self.session.name}: no stages: {problem}")
            return False
        return True

    def publish(self, callable_, kind, call):
        if described(call.effects) != described(kind.effects) or call.tree.describe() != kind.tree.describe() or not call.trace.executed.is_within(kind.executed):
            raise Unlearnable("two calls took different ways")
        if len(call.captured) != len(kind.captured) or any(a is not b for a, b in zip(call.captured, kind.captured)):
            raise Unlearnable("two calls read different tensors")
        if list(call.program.mutated_slots) != list(kind.program.mutated_slots):
            raise Unlearnable("two calls write different tensors")
        kind.program = call.program
        staged = self.staged(kind, call)
        session = self.session
        for published in [other for other in session.entries if other.spec.check(call.args, call.kwargs)]:
            if published.program.sized_by_values and not isinstance(published.compiled, StagedCall):
                session.remove_entry(callable_, published.entry)
        paths = [call.before.path_of(tensor) for tensor in kind.captured]
        if session.passed_containers(kind, call.memory):
            call.before.guards.add_reached(list(call.before.seen.values()))
        executable, spec, effects = staged.executable, kind.spec, call.effects
        entry = session.entry_of(kind, spec, call.before, kind.captured, executable, call.tree, paths, effects)
        session.add_entry(callable_, entry, staged, spec, paths, kind, [], None, effects)
        session.kinds.remove(kind)

    def staged(self, kind, call):
        """The StagedCall, proved by this call."""
        arguments = kind.spec.tensors(call.args, call.kwargs)
        lesson = self.lesson(call, arguments)
        results = []
        outcome, effects = lesson.outcome
        tree = _C.OutputTree.build(outcome, collector(results), call.state.objects, call.memory.containers)
        if isinstance(tree, tuple):
            raise Unlearnable(": ".join(tree))
        if described(effects) != described(call.effects):
            raise Unlearnable("it does something else once more")
        tape = lesson.tape
        numbers = {id(tensor): tape.operand(tensor).index for tensor in [*arguments, *kind.captured]}
        inputs = list(numbers.values())
        if foreign := [number for number in tape.constants if number not in inputs]:
            raise Unlearnable(f"{len(foreign)} tensors come from elsewhere")
        for tensor in results:
            if id(tensor) not in tape.slots:
                raise Unlearnable("a result comes from elsewhere")
        tensors = {tape.slots[id(tensor)].index: tensor for tensor in tape.alive}
        source = StagedSource(lesson, inputs, [tape.slots[id(tensor)].index for tensor in results], tensors)
        self.prove(source, kind, call)
        parts = []

        def compiled(function, used):
            parts.append(self.compiled_stage(function, [tensors[number] for number in used]))
            return parts[-1]

        function = source.function(compiled, copies=True).made(f"stages of {self.session.name}")
        return StagedCall(function, kind.program, list({id(part): part for part in parts}.values()))

    def lesson(self, call, arguments):
        """The call's steps, from a run that leaves no trace."""
        lesson = learn_steps(
            self.session.function, call.args, call.kwargs, arguments, call.memory, call.start
        )
        if call.before.changed():  # sizes of the run were put away: let plain ones take their place
            self.failures = MOST_FAILURES
            with call.start.rewound(), call.memory.rewound(call.start):
                self.session.function(*call.args, **call.kwargs)
            raise Unlearnable("the code keeps sizes")
        if isinstance(lesson, str):
            raise Unlearnable(lesson)
        return lesson

    def prove(self, source, kind, call):
        """The steps without the user's code must be, recorded, the program of the call, and give its results."""
        function = source.function(lambda stage, used: stage.made("a stage"), copies=False).made("stages")
        start = call.start.twin(call.program)
        if not _C.start_recording():
            raise Unlearnable("another trace is running")
        try:
            with start.rewound() as as_the_call_left_them, plain_paths():
                outputs = function(start.tensors)
                moved = not as_the_call_left_them()
        except (Exception, PathLeft) as error:
            raise Unlearnable(f"its steps alone raise {type(error).__name__}: {error}".partition("\n")[0]) from error
        finally:
            recording = _C.stop_recording()
        count = len(start.tensors) - len(kind.captured)
        program = recording.functionalise(
            start.tensors[:count], start.tensors[count:], outputs, call.state.generators
        )
        if isinstance(program, tuple):
            raise Unlearnable(": ".join(program))
        if moved or not program.same_as(call.program):
            raise Unlearnable("its steps alone do something else")
        for i, (output, result) in enumerate(zip(outputs, call.results, strict=True)):
            if problem := proof.disagreement(output, result, f"result {i}"):
                raise Unlearnable(problem)

    def compiled_stage(self, function, tensors):
        """The compiled function of a stage. Stages that are equal but for their tensors' sizes are one."""
        from braze.compile import compiled_callable

        key = (
            function.source,
            tuple(map(id, function.constants.values())),
            tuple((tensor.dtype, tensor.dim(), type(tensor)) for tensor in tensors),
        )
        if key not in self.stages:
            name = f"stage {len(self.stages) + 1} of {self.session.name}"
            self.stages[key] = compiled_callable(function.made(name), self.session.options, name)
        return self.stages[key]


class ConfirmingCall:
    """All that is known of the call at hand."""

    def __init__(self, args, kwargs, memory, trace, before, start, state, program, tree, captured, effects, results):
        self.args, self.kwargs, self.memory, self.trace = args, kwargs, memory, trace
        self.before, self.start, self.state = before, start, state
        self.program, self.tree, self.captured, self.effects = program, tree, captured, effects
        self.results = results
