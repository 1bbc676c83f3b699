"""Whether one compiled program for a call may take the place of another: it has to be right, and faster."""

import time

from braze.tracing import proof

ROUNDS = 3
NOT_FASTER = "it was not faster"


def why_not(contender, other, program, start, results, trial):
    """Why a contender does not take the other's place; None when it does. Without a trial it need not be faster."""
    if problem := proof.disproves(contender, program, start, results):
        return problem
    return NOT_FASTER if trial and not is_faster(contender, other, start) else None


def is_faster(contender, other, start):
    """Whether one compiled program beats another on the inputs of a call, timed in turn."""
    best = {}
    with start.rewound():
        for _ in range(ROUNDS):
            for compiled in (contender, other):
                begin = time.perf_counter()
                compiled.run(start.tensors)
                taken = time.perf_counter() - begin
                best[compiled] = min(taken, best.get(compiled, taken))
    return best[contender] < best[other]
