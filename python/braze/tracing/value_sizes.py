"""The part of a session for calls whose sizes, or whole numbers that Python gets, follow the values of tensors.

Where such sizes are the same at each call, an ordinary entry does, which checks them. Where they differ, the call is
kept as stages (stage_source.py): a run over its steps, with the user's code out of the way, has to give the recording
of the call itself, operator for operator, before it is used.
"""

from braze import _C
from braze.options import PER_CALL
from braze.tracing import proof
from braze.tracing.call_kind import KnownCall, Published
from braze.tracing.forms import Form
from braze.tracing.publishing import entry_of, guard_containers
from braze.tracing.refusal import Refusal
from braze.tracing.results import classifier, collector, described
from braze.tracing.stage_source import StagedSource
from braze.tracing.staged_call import StagedCall
from braze.tracing.staged_tape import learn_steps
from braze.tracing.tape import Unlearnable
from braze.tracing.trace import plain_paths

MOST_FAILURES = 4
CHOOSE_BY_RANK = {"torchvision::nms"}
# Entries for calls of one kind that differ in the way Python takes; and how many calls they must answer for each that
# takes yet another way, for they have to be tried first.
MOST_PATHS = 4
ANSWERS_FOR_A_STRAY = 16


class ValueSizes:
    def __init__(self, session):
        self.session = session
        self.failures = 0
        self.strays = 0  # calls that took none of the known ways
        self.problem = ""  # why a call could not be put into stages, last
        self.stages = {}  # what a stage is -> the compiled function

    def is_stray(self, args, kwargs):
        """Whether a call that no entry answered is to run eagerly without a look: it takes one way too many, but few do."""
        known = self.known(lambda other: other.spec.check(args, kwargs))
        if len(known) < MOST_PATHS:
            return False
        self.strays += 1
        return sum(other.entry.compiled_calls for other in known) >= ANSWERS_FOR_A_STRAY * self.strays

    def known(self, fits):
        """The entries in stages whose arguments fit."""
        return [other for other in self.session.entries if isinstance(other.compiled, StagedCall) and fits(other)]

    def disagreed(self, published):
        """An entry gave something else than eager: rounding in one stage decides about sizes in the next, say."""
        if isinstance(published.compiled, StagedCall):
            self.failures += MOST_FAILURES // 2

    def is_due(self, kind, call):
        """Whether the call at hand, the second of its kind, shows that an entry for one size will not do."""
        program = call.program
        if not (program.sized_by_values or program.value_guards) or self.failures >= MOST_FAILURES:
            return False
        return kind.values_decide or not any(program.same_as(known.program) for known in call.expected)

    def take(self, callable_, kind, call):
        """Puts a confirming call into stages and publishes that. A Refusal, None when it did, or False: not yet."""
        if len(self.known(lambda other: other.spec.describe() == kind.spec.describe())) >= MOST_PATHS:
            return Refusal("too_many_paths", "sizes or values that Python reads keep changing")
        if not call.trace.executed.is_within(call.code):
            call.trace.executed.update(call.code)  # the next call is watched for both ways
            return False
        try:
            if call.trace.executed.operators_in_python:
                raise Unlearnable("an operator written in Python runs")  # it would be run more often than asked
            if call.trace.told:
                raise Unlearnable("the call prints, warns or logs")
            self.publish(callable_, kind, call)
        except Unlearnable as problem:
            self.failures += 1
            self.problem = str(problem)
            _C.log_line("refusals", f"{self.session.name}: no stages: {problem}")
            return Refusal("data_dependent", self.problem) if call.program.sized_by_values else False
        return None

    def publish(self, callable_, kind, call):
        session = self.session
        start = start_of(call)
        staged = self.staged(call, start)
        described_spec = kind.spec.describe()
        for other in list(session.entries):
            is_of_one_size = other.program.sized_by_values and not isinstance(other.compiled, StagedCall)
            if is_of_one_size and other.spec.describe() == described_spec:
                session.remove_entry(callable_, other.entry)
        self.add_entry(callable_, kind, kind.spec, call, staged)
        session.kinds.remove(kind)

    def add_entry(self, callable_, kind, spec, call, staged):
        guard_containers(kind, call)
        entry = entry_of(kind, spec, call, staged.executable, call.tree)
        known = KnownCall(kind, call)
        self.session.add_entry(callable_, Published(callable_, entry, Form(staged), spec, call.paths(), known))

    def relative_of(self, kind):
        """The kind of a call in stages that differs from this one in sizes of its arguments only, or None."""
        if self.session.options.dynamic is False:
            return None
        for other in self.known(lambda other: differ_in_tensors(other.kind.spec, kind.spec)):
            known = other.kind
            if known.state == kind.state and known.tensors() is not None and known.state_holds():
                return known
        return None

    def widens(self, callable_, kind, known, call):
        """Whether the entry of a relative answers this call too: its steps have to be those of the call. Then it answers
        calls of other sizes as well, for nothing in it is of one size but what Python asked.
        """
        other = next((other for other in self.session.entries if other.kind is known), None)
        if other is None or not isinstance(other.compiled, StagedCall) or call.before.refusal or call.before.changed():
            return False
        spec = _C.ArgumentSpec.generalise(known.spec, kind.spec)
        if spec is None or not call.trace.executed.is_within(known.executed):
            return False
        tensors = known.tensors()
        if len(tensors) != len(call.captured) or any(a is not b for a, b in zip(tensors, call.captured)):
            return False
        fresh = kind.newest
        if known.result != fresh.result or known.integers != fresh.integers or fresh.told:
            return False
        if described(call.effects) != described(known.effects):
            return False
        try:
            self.prove(other.compiled.steps, call, start_of(call).twin(call.program))
        except Unlearnable as problem:
            self.problem = str(problem)
            return False
        session, staged = self.session, other.compiled
        staged = StagedCall(staged.function, staged.steps, call.program, staged.parts)
        call.state = call.before
        session.remove_entry(callable_, other.entry)
        self.add_entry(callable_, kind, spec, call, staged)
        return True

    def staged(self, call, start):
        """The StagedCall, proved by this call, which began with `start`."""
        arguments = start.inputs[: len(start.inputs) - len(call.captured)]
        beginning = start.twin(call.program)  # making the call once more uses up the other
        lesson = self.lesson(call, arguments, start)
        results = []
        outcome, effects = lesson.outcome
        containers, objects = call.memory.containers, call.state.objects
        _C.OutputTree.build(outcome, collector(results), objects, containers)
        tape = lesson.tape
        for tensor in results:
            if id(tensor) not in tape.slots:
                raise Unlearnable("a result comes from elsewhere")
        classify = classifier(results, call.program.outputs) if len(results) == len(call.results) else collector([])
        tree = _C.OutputTree.build(outcome, classify, objects, containers)
        if isinstance(tree, tuple):
            raise Unlearnable(": ".join(tree))
        if tree.describe() != call.tree.describe() or described(effects) != described(call.effects):
            raise Unlearnable("it does something else once more")
        inputs = [tape.operand(tensor).index for tensor in start.inputs]
        if foreign := [number for number in tape.constants if number not in inputs]:
            raise Unlearnable(f"{len(foreign)} tensors come from elsewhere")
        tensors = {tape.slots[id(tensor)].index: tensor for tensor in tape.alive}
        source = StagedSource(lesson, inputs, [tape.slots[id(tensor)].index for tensor in results], tensors)
        steps = source.function(lambda stage, used: stage.made("a stage"), copies=False).made("steps")
        self.prove(steps, call, beginning)
        parts = []

        def compiled(function, used):
            parts.append(self.compiled_stage(function, [tensors[number] for number in used]))
            return parts[-1]

        function = source.function(compiled, copies=True).made(f"stages of {self.session.name}")
        return StagedCall(function, steps, call.program, list({id(part): part for part in parts}.values()))

    def lesson(self, call, arguments, start):
        """The call's steps, from a run that leaves no trace."""
        if call.before.changed_caches():
            raise Unlearnable("a functools cache would keep sizes")
        lesson = learn_steps(self.session.function, call.args, call.kwargs, arguments, call.memory, start)
        if call.before.changed():  # sizes of the run were put away: let plain ones take their place
            self.failures = MOST_FAILURES
            with start.rewound(), call.memory.rewound(start):
                self.session.function(*call.args, **call.kwargs)
            raise Unlearnable("the code keeps sizes")
        if isinstance(lesson, str):
            raise Unlearnable(lesson)
        return lesson

    def prove(self, steps, call, start):
        """The steps without the user's code must be, recorded, the program of the call, and give its results."""
        with start.rewound() as as_the_call_left_them, _C.TraceScope():
            if not _C.start_recording():
                raise Unlearnable("another trace is running")
            try:
                with plain_paths():
                    outputs = steps(start.tensors)
            except Exception as error:
                raise Unlearnable(
                    f"its steps alone raise {type(error).__name__}: {error}".partition("\n")[0]
                ) from error
            finally:
                recording = _C.stop_recording()
            moved = not as_the_call_left_them()
        count = len(start.tensors) - len(call.captured)
        program = recording.functionalise(start.tensors[:count], start.tensors[count:], outputs, call.state.generators)
        if isinstance(program, tuple):
            raise Unlearnable(": ".join(program))
        if moved or not program.same_as(call.program):
            raise Unlearnable("its steps alone do something else")
        if problem := proof.differs(outputs, call.program, start, call.results):
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
            options = options_of_stages(self.session.options)
            self.stages[key] = compiled_callable(function.made(name), options, name, attributes_matter=False)
        return self.stages[key]


def chooses_by_rank(program):
    """An operator that keeps some rows and drops others by the order of floats, as its name; else nothing. What rounding
    did to the last bit of a score may change which: only eager's own bits will do.
    """
    return next(iter(program.operators & CHOOSE_BY_RANK), None) if program.sized_by_values else None


def options_of_stages(options):
    """Products and convolutions as eager has them: where a value decides about a size, its last bit may."""
    made = _C.Options()
    for name in PER_CALL:
        setattr(made, name, getattr(options, name))
    made.products = "library"
    made.disabled_passes = ",".join(filter(None, (options.disabled_passes, _C.LAYOUT_PASS)))
    return made


def differ_in_tensors(a, b):
    """Whether two kinds of arguments are the same but for sizes of tensors."""
    if _C.ArgumentSpec.generalise(a, b) is None:
        return False
    return all(x == y or ("strides [" in x and "strides [" in y) for x, y in zip(a.describe(), b.describe()))


def start_of(call):
    """What the call began with. It may have taken another way than those before, which read other tensors; but what it
    writes, and the generators it moves, were seen to before it began.
    """
    start = call.start.narrowed(call.arguments, call.captured, call.program)
    if start is None:
        raise Unlearnable("calls write different tensors, or draw from different generators")
    return start
