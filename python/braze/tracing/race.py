"""Which of two compiled programs for one call is faster."""

import time

ROUNDS = 3


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
