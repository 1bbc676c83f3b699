"""Generated programs of views and in-place writes equal eager under each way their arguments may share memory.

BRAZE_FUZZ_SEED=n replays one program (its seed is in the failure), BRAZE_FUZZ_PROGRAMS=10000 runs that many.
"""

import collections
import os

import pytest
import torch
from eager_equality import Kept, Observer, attempt, differences
from generated_programs import Generated
from outcomes import faults, outcome

import braze

PROGRAMS = int(os.environ.get("BRAZE_FUZZ_PROGRAMS", "300"))
SEED = os.environ.get("BRAZE_FUZZ_SEED")
BATCH = 25
CALLS = 5
pytestmark = [pytest.mark.usefixtures("entries_always_used"), pytest.mark.filterwarnings("ignore::UserWarning")]


def seeds(batch):
    return range(batch * BATCH, min(PROGRAMS, (batch + 1) * BATCH))


def run(function, program, pattern):
    arguments = program.arguments(pattern)
    observer = Observer().before(arguments)
    result = attempt(function, *arguments)
    return observer.observe({"arguments": Kept(arguments), "result": result})


def check(program):
    """Complaints, and what became of the program."""
    compiled = braze.compile(program.function())
    first, second = program.patterns
    for round_, pattern in enumerate([first, second, first]):
        expected = run(program.function(), program, pattern)
        for call in range(1, CALLS + 1):
            complaints = differences(expected, run(compiled, program, pattern))
            if complaints:
                where = f"{pattern!r}, round {round_ + 1}, call {call}"
                return [f"{where}: {complaint}" for complaint in complaints[:4]], "wrong"
    broken = faults(compiled)
    return broken, "faulty" if broken else outcome(compiled)


@pytest.mark.parametrize("batch", range(-(-PROGRAMS // BATCH)) if SEED is None else [None])
def test_generated_programs(batch, tally):
    failures = []
    counts = collections.Counter()
    with torch.no_grad():
        for seed in [int(SEED)] if batch is None else seeds(batch):
            program = Generated(seed)
            complaints, result = check(program)
            counts[result] += 1
            if complaints:
                failures.append("\n".join([repr(program), *complaints]))
    tally("generated aliasing programs", **counts)
    assert not failures, "\n\n".join(failures[:5]) + f"\n({len(failures)} programs differ)"


def test_patterns_alias_as_they_say():
    from generated_programs import PATTERNS

    storages = {name: len({x.untyped_storage().data_ptr() for x in make()}) for name, make in PATTERNS.items()}
    assert storages["separate"] == 3
    assert storages["all three are one"] == 1
    assert storages["rows overlap"] == 1
