"""Every operator of PyTorch's database, compiled, equals eager: values, layout, aliasing, effects, errors, RNG.

A test an operator. BRAZE_FULL_SWEEP=1 runs every sample instead of a few; --operator-table=FILE writes what became of
each operator's samples.
"""

import collections
import warnings

import pytest
import torch
from eager_equality import Kept, Observer, Raised, Undefined, attempt, differences, twin
from op_samples import DTYPES, MUST_BECOME_KERNELS, UNINITIALISED, error_samples, op_id, ops, samples, ulps_allowed
from outcomes import COMPILED, faults, outcome

import braze

CALLS = 5
pytestmark = pytest.mark.usefixtures("entries_always_used")


def run(function, sample, undefined):
    """One call on fresh copies of the inputs: everything that can be seen after it."""
    args, kwargs = twin((sample.args, sample.kwargs))
    observer = Observer().before((args, kwargs))
    torch.manual_seed(1)
    result = attempt(function, *args, **kwargs)
    seen = observer.observe({
        "out": Undefined(result) if undefined else result,
        "inputs": () if undefined else Kept((args, kwargs)),
        "generator": torch.get_rng_state(),
    })  # fmt: skip
    return seen, isinstance(result, Raised)


def check(sample, undefined, ulps):
    """(outcome, complaints) of one sample called several times."""
    expected, raises = run(sample.function, sample, undefined)
    compiled = braze.compile(sample.function)
    for call in range(1, CALLS + 1):
        got, _ = run(compiled, sample, undefined)
        complaints = differences(expected, got, ulps)
        if complaints:
            return "wrong", [f"{sample} call {call}: {complaint}" for complaint in complaints[:3]]
    if (broken := faults(compiled)) and not undefined:
        return "faulty", [f"{sample}: {fault}" for fault in broken]
    return ("raises" if raises else outcome(compiled)), []


@pytest.mark.parametrize("op", ops(), ids=op_id)
def test_op(op, tally, record_property):
    counts = collections.Counter()
    complaints = []
    kernels = 0
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        for dtype in DTYPES:
            if not op.supports_dtype(dtype, "cpu"):
                continue
            for sample in samples(op, dtype):
                result, found = check(sample, op.name in UNINITIALISED, ulps_allowed(op, dtype))
                counts[result] += 1
                complaints += found
                kernels += result == COMPILED and dtype is torch.float32
        for sample in error_samples(op):
            result, found = check(sample, False, None)
            counts[result] += 1
            complaints += found
    tally("operator samples", **counts)
    tally("operators", **{verdict(counts): 1})
    record_property("operator", [op_id(op), dict(counts)])
    assert not complaints, "\n".join(complaints[:20])
    if op.name in MUST_BECOME_KERNELS:
        assert kernels, f"no f32 sample of {op.name} became a kernel: {dict(counts)}"


def verdict(counts):
    """An operator counts as its best outcome, unless a sample was wrong."""
    for result in ("wrong", "faulty", "compiled", "view", "extern", "refused", "eager", "raises"):
        if counts[result]:
            return result
    return "no sample"
