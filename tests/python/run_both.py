"""One function run by eager and compiled, several times on fresh copies of the same arguments."""

from eager_equality import Kept, Observer, attempt, differences, twin
from outcomes import faults, outcome

import braze

CALLS = 4


def seen(function, args):
    """What a user can see after one call."""
    args = twin(args)
    observer = Observer().before(args)
    return observer.observe({"result": attempt(function, *args), "arguments": Kept(args)})


def outcome_like_eager(function, *args, ulps=None, slack=1):
    """What became of the compiled function, whose calls are all as eager's; `ulps` and `slack` as in `differences`."""
    expected = seen(function, args)
    compiled = braze.compile(function)
    for call in range(CALLS):
        assert not differences(expected, seen(compiled, args), ulps, slack), f"call {call + 1}"
    assert all(fault.startswith("declined:") for fault in faults(compiled))
    return outcome(compiled)
