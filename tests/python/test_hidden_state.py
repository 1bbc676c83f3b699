"""Programs whose hidden state changes between calls give, compiled, what they give in eager: see programs/."""

import contextlib
import io
import random

import numpy
import pytest
import torch
from eager_equality import Observer, differences
from outcomes import COMPILED, EXTERN, VIEW, faults, outcome, reasons
from programs import CALLS, all_programs

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")


def run(program, compile):
    """[(observation, printed text, generator states)] for each thing the program yields."""
    torch.manual_seed(0)
    random.seed(0)
    numpy.random.seed(0)
    observer = Observer()
    steps = []
    with torch.set_grad_enabled(program.grad), contextlib.redirect_stdout(io.StringIO()) as printed:
        for seen in program.run(compile):
            generators = observer_of_generators()
            steps.append((observer.observe(seen), printed.getvalue(), generators))
    return steps


def observer_of_generators():
    return torch.get_rng_state().sum().item(), random.getstate()[1][-1], int(numpy.random.get_state()[2])


def compare(expected, got):
    if len(expected) != len(got):
        yield f"{len(expected)} steps in eager, {len(got)} compiled"
    for step, (want, have) in enumerate(zip(expected, got), start=1):
        for complaint in differences(want[0], have[0]):
            yield f"step {step}: {complaint}"
        if want[1] != have[1]:
            yield f"step {step}: printed {want[1]!r} in eager, {have[1]!r} compiled"
        if want[2] != have[2]:
            yield f"step {step}: generator states differ"


@pytest.mark.parametrize("program", all_programs(), ids=lambda program: program.name)
def test_program(program, tally):
    compiled = []

    def compile(function, **options):
        compiled.append(braze.compile(function, **options))
        return compiled[-1]

    expected = run(program, lambda function, **options: function)
    assert len(expected) >= CALLS, "too few calls to meet a compiled entry"
    complaints = list(compare(expected, run(program, compile)))
    broken = [fault for callable_ in compiled for fault in faults(callable_)]
    outcomes = [outcome(callable_) for callable_ in compiled]
    result = "compiled" if any(result in (COMPILED, VIEW, EXTERN) for result in outcomes) else "not compiled"
    result = "wrong" if complaints else "faulty" if broken else result
    tally("programs that may be refused" if program.refusable else "programs", **{result: 1})
    why = {reason for callable_ in compiled for reason in reasons(callable_)}
    assert not complaints + broken, "\n".join([*complaints[:8], *broken, f"outcomes: {outcomes} {sorted(why)}"])
