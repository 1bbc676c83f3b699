"""The forms in which a program may be compiled: as it was captured, and another that may be faster, with its weights
frozen or its convolutions moved. An entry runs one that is right, and the faster of those; where nobody knows which that
is, its own first calls find out.
"""

import math
import time

from braze import _C
from braze.tracing import freezing, layout, proof
from braze.tracing.refusal import Refusal

# Seconds that a call may wait for a race between two forms. A longer one is run by the calls that follow.
SHORT_RACE = 0.02


class Form:
    """The program that an entry runs, with lines on it for braze.explain. `other` is the LaidOut or Frozen that it is or,
    while the RacedCall `raced` has not come to an end, that it may turn out to be; None when it is as it was captured.
    """

    def __init__(self, compiled, other=None, raced=None, why_not_frozen=""):
        self.only = None if raced else compiled
        self.raced = raced
        self.frozen = other if isinstance(other, freezing.Frozen) else None
        self.moved = other.describe() if other and not self.frozen else ""
        self.freezing = self.frozen.describe() if self.frozen else why_not_frozen

    @property
    def compiled(self):
        """Of two programs, the one that is faster as far as is known."""
        return self.raced.best if self.raced else self.only

    @property
    def executable(self):
        return self.raced or self.only

    @property
    def layout(self):
        return self.moved if self.raced is None or self.raced.other_is_best else ""


class Disproved(Exception):
    """A program ends otherwise than the call, as the text says."""


class Forms:
    """Those of the program of a call that began with `start`. `is_proved`: they are run beside it and have to agree."""

    def __init__(self, session, call, start, is_proved):
        self.session, self.call, self.start, self.is_proved = session, call, start, is_proved
        self.options, self.program = session.options, call.program
        self.freezes = self.options.freeze
        self.choice = _C.FormChoice(self.program, "frozen" if self.freezes else "channels last", self.options)
        # Without a trial a form need not be faster.
        self.other_is_faster = self.choice.known() if self.options.trial else True
        self.why_not_frozen = ""

    def best(self):
        """The Form to use; raises Disproved when the program as it was captured is not right."""
        other = self.other()
        twin = self.start.twin(self.program) if other else None
        if other and self.other_is_faster:
            if self.agrees(other, twin):
                return Form(other.compiled, other, None, self.why_not_frozen)
            other = None
        plain = _C.compile_program(self.program, self.options)
        if self.is_proved and (problem := self.problem_of(plain, self.start)):
            raise Disproved(problem)
        if other and self.agrees(other, twin):
            return self.faster(plain, other, twin)
        return self.plain_form(plain)

    def other(self):
        """The program in another form than it was captured in; None where there is none, or none that would gain."""
        if not self.freezes:
            self.why_not_frozen = freezing.would_apply(self.program, self.start.inputs)
            may_gain = self.is_proved and self.other_is_faster is not False
            return layout.laid_out(self.program, self.options) if may_gain else None
        if not self.is_proved or self.session.changes_of_weights > freezing.MOST_CHANGES:
            self.why_not_frozen = "not frozen: its weights keep changing"
            return None
        if self.other_is_faster is False:
            self.why_not_frozen = freezing.NOT_FASTER
            return None
        return freezing.frozen(self.program, self.start.inputs, self.options)

    def problem_of(self, compiled, start):
        return proof.disproves(compiled, self.program, start, self.call.results)

    def agrees(self, other, twin):
        problem = self.problem_of(other.compiled, twin)
        if problem and self.freezes:
            self.why_not_frozen = f"not frozen: {problem}"
            if problem != proof.DECLINED:
                self.session.note(Refusal("proof", f"with frozen weights, {problem}"))
        return not problem

    def faster(self, plain, other, twin):
        """The Form that is faster. What guards frozen weights belongs to the entry, so that race ends here."""
        raced = _C.RacedCall(plain, other.compiled, self.choice)
        run_race(raced, (plain, other.compiled), twin, math.inf if self.freezes else SHORT_RACE)
        if not raced.is_settled and not self.freezes:
            return Form(None, other, raced, self.why_not_frozen)
        if raced.is_settled and raced.other_is_best:
            return Form(other.compiled, other, None, self.why_not_frozen)
        if self.freezes:
            self.why_not_frozen = freezing.NOT_FASTER
        return self.plain_form(plain)

    def plain_form(self, plain):
        return Form(plain, why_not_frozen=self.why_not_frozen)


def run_race(raced, programs, start, seconds):
    """Runs the two programs in turn where a call began, until one is known to be faster, or another round would take
    longer than these seconds.
    """
    begin = time.perf_counter()
    with start.rewound():
        while not raced.is_settled and time.perf_counter() - begin + seconds_of_round(programs) <= seconds:
            for _ in programs:
                if raced.run(start.tensors) is None:
                    return


def seconds_of_round(programs):
    """What it takes to run each program once."""
    return 1e-6 * sum(sum(compiled.step_microseconds) for compiled in programs)
