"""How much faster than eager braze makes each of the architectures of coverage.py: small configurations, random weights,
inference, each in a forked process. Eager and braze are timed in turn on copies of the same arguments, and a
ratio is the median of the ratios of neighbours. The last column is what the first calls cost, in calls of eager's.

python benchmarks/architectures_speed.py --family "text decoders" --only llama gpt2 --json speed.json
"""

import copy
import json
import statistics
import time
from dataclasses import asdict, dataclass

import torch

import architectures
import braze
from coverage import import_libraries, made, told
from forked import in_fork

FIRST_CALLS = 16  # trace, confirm, proof and trial
LEAST_ROUNDS, MOST_ROUNDS = 9, 200


@dataclass
class Row:
    """One kind of call of an architecture; a problem in place of times where it does not run."""

    family: str
    name: str
    call: int = 0
    eager_milliseconds: float = 0.0
    speedup: float = 0.0
    first_calls: float = 0.0  # beyond what they would have cost, in calls of eager
    outcome: str = ""


def main():
    parser = architectures.arguments(__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="for the timing of one kind of call")
    parser.add_argument("--limit", type=float, default=180, help="the time limit of one architecture, in seconds")
    chosen = parser.parse_args()
    import_libraries()
    torch.set_num_threads(chosen.threads)
    rows = []
    print(f"{'architecture':40} {'eager ms':>9} {'braze':>7} {'first calls':>12}  ({chosen.threads} threads)")
    for row in architectures.chosen_rows(chosen):
        found, problem = in_fork(lambda row=row: timed(row, chosen.seconds), chosen.limit)
        found = found or [Row(row.family, row.name, outcome=problem)]
        for each in found:
            print_row(each)
        rows += found
    if chosen.json:
        with open(chosen.json, "w") as file:
            json.dump([asdict(row) for row in rows], file, indent=1)
    print_totals(rows)


def timed(row, seconds):
    with torch.no_grad():
        try:
            (eager, calls), (model, _) = made(row), made(row)
            for call in calls:
                run(eager, call)
            braze.compile(model)
            return [timed_call(row, number, eager, model, call, seconds) for number, call in enumerate(calls)]
        except Exception as error:
            return [Row(row.family, row.name, outcome=told(error))]


def timed_call(row, number, eager, model, call, seconds):
    first = sum(run(model, call) for _ in range(FIRST_CALLS))
    pairs, end = [], time.perf_counter() + seconds
    while len(pairs) < LEAST_ROUNDS or (time.perf_counter() < end and len(pairs) < MOST_ROUNDS):
        pairs.append((run(eager, call), run(model, call)))
    usual = statistics.median(pair[0] for pair in pairs)
    return Row(
        row.family,
        row.name,
        number,
        usual * 1e3,
        statistics.median(a / b for a, b in pairs),
        first / usual - FIRST_CALLS,
        outcome_of(braze.explain(model).report),
    )


def run(model, call):
    """Seconds of a call on copies of its arguments, which it may change."""
    args, kwargs = copy.deepcopy(call)
    torch.manual_seed(0)
    start = time.perf_counter()
    model(*args, **kwargs)
    return time.perf_counter() - start


def outcome_of(report):
    if report.entries:
        return ", ".join(sorted({entry.state for entry in report.entries}))
    return "parts of it" if any(child.entries for child in report.children) else "refused"


def print_row(row):
    if not row.speedup:
        print(f"{row.name:40} {row.outcome}", flush=True)
        return
    call = f" (call {row.call + 1})" if row.call else ""
    print(
        f"{row.name + call:40} {row.eager_milliseconds:9.2f} {row.speedup:6.2f}x {row.first_calls:12.0f}  {row.outcome}",
        flush=True,
    )


def print_totals(rows):
    print(f"\n{'family':20} {'kinds of calls':>14} {'least':>8} {'mean':>8}")
    for family in [*dict.fromkeys(row.family for row in rows), "all"]:
        speedups = [row.speedup for row in rows if row.speedup and family in (row.family, "all")]
        if speedups:
            mean = statistics.geometric_mean(speedups)
            print(f"{family:20} {len(speedups):14} {min(speedups):7.2f}x {mean:7.2f}x")


if __name__ == "__main__":
    main()
