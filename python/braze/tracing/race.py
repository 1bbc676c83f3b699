"""Whether one compiled program for a call may take the place of another: it has to be right, and faster."""

import time

import torch

from braze.tracing import proof

FEWEST_ROUNDS, MOST_ROUNDS = 3, 12
ENOUGH = 0.02  # seconds
NOT_FASTER = "it was not faster"


def why_not(contender, other, program, start, results, trial):
    """Why a contender does not take the other's place; None when it does. Without a trial it need not be faster."""
    if problem := proof.disproves(contender, program, start, results):
        return problem
    return NOT_FASTER if trial and not is_faster(contender, other, start) else None


def is_faster(contender, other, start):
    """Whether one compiled program beats another on the inputs of a call, timed in turn."""
    clock = clock_of_calls()
    best, total, rounds = {}, 0, 0
    with start.rewound():
        while rounds < FEWEST_ROUNDS or (rounds < MOST_ROUNDS and total < ENOUGH):
            for compiled in (contender, other):
                begin = clock()
                compiled.run(start.tensors)
                taken = clock() - begin
                best[compiled] = min(taken, best.get(compiled, taken))
                total += taken
            rounds += 1
    return best[contender] < best[other]


def clock_of_calls():
    """Where one thread does all the work its own clock counts, which stands still while other programs run."""
    return time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
