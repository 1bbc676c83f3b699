"""Shared by the benchmarks: contenders timed in turn (A B C, A B C, ...), medians, paired ratios, a table of speed-ups or --json.

Timing in turn lets drift of the machine hit every contender alike; a ratio is the median of the ratios within each
round.
"""

import argparse
import gc
import importlib
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

import braze


def peer(name):
    """A contender of peers.py, whose packages are imported when it is asked for."""
    return lambda target, inputs: getattr(importlib.import_module("peers"), name)(target, inputs)


# Each makes a callable of a target and the inputs it will be timed with.
CONTENDERS = {
    "eager": lambda target, inputs: target,
    "torch.compile": lambda target, inputs: torch.compile(target),
    "dynamo+braze": lambda target, inputs: torch.compile(target, backend="braze"),
    "braze": lambda target, inputs: braze.compile(target),
    "frozen": lambda target, inputs: braze.compile(target, freeze=True),
    "max-autotune": peer("max_autotune"),
    "onnxruntime": peer("onnx_runtime"),
    "openvino": peer("openvino"),
}
DEFAULT_CONTENDERS = ("eager", "torch.compile", "braze")
# Two calls are traced, the race between two forms takes up to six and the trial six or more; torch.compile may compile
# twice. All are warmed up again once the last is made: some compilers change the modules that others have looked at.
WARM_UP_CALLS = 16


@dataclass(frozen=True)
class Case:
    """A thing to time: `make` gives a fresh target and its arguments, the same numbers every time."""

    name: str
    make: Callable[[], tuple[Callable, tuple]]


@dataclass(frozen=True)
class Row:
    """What one contender did in one case; a contender that cannot run it has a problem in place of times."""

    case: str
    contender: str
    threads: int
    microseconds: float = math.nan
    speedup: float = math.nan  # over the first contender
    largest_error: float = math.nan
    made: str = ""  # what braze made of it
    problem: str = ""


def arguments(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON list instead of a table")
    parser.add_argument("--threads", type=int, nargs="+", default=[torch.get_num_threads()])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="+", default=[], help="run the cases whose name contains one of these")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=DEFAULT_CONTENDERS)
    parser.add_argument("--made", action="store_true", help="say what braze made of each case")
    return parser


def run_cases(cases, chosen):
    """Rows for every case that --only selects, contender and thread count, from a fresh compiler state each."""
    rows = []
    if not chosen.json:
        print(
            f"{'speed-up over ' + chosen.contenders[0]:34} {'threads':>7}"
            + "".join(f" {n:>13}" for n in chosen.contenders[1:])
        )
    for threads in chosen.threads:
        torch.set_num_threads(threads)
        for case in cases:
            if not chosen.only or any(part in case.name for part in chosen.only):
                rows += run_case(case, chosen.contenders, threads, chosen.rounds)
                if not chosen.json:
                    print_case(rows[-len(chosen.contenders) :], chosen.made)
    if chosen.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    elif len(rows) > len(chosen.contenders):
        print_means(rows, chosen.contenders)
    return rows


def run_case(case, contenders, threads, rounds):
    torch.compiler.reset()
    calls, made, problems = {}, {}, {}
    with torch.inference_mode(False), torch.no_grad():
        for name in contenders:
            target, inputs = case.make()
            try:
                compiled = CONTENDERS[name](target, inputs)
                for _ in range(WARM_UP_CALLS):
                    compiled(*inputs)
            except Exception as problem:  # of a peer's exporter or compiler: its row says so
                if name in ("eager", "braze", "frozen"):
                    raise
                problems[name] = f"{type(problem).__name__}: {str(problem).strip().splitlines()[0][:100]}"
                continue
            made[name] = compiled
            calls[name] = lambda compiled=compiled, inputs=inputs: compiled(*inputs)
        for call in calls.values():
            for _ in range(WARM_UP_CALLS):
                call()
        times = interleaved(calls, rounds=rounds)
        results = {name: call() for name, call in calls.items()}
    first = contenders[0]
    return [
        Row(
            case=case.name,
            contender=name,
            threads=threads,
            microseconds=statistics.median(times[name]) * 1e6,
            speedup=statistics.median(a / b for a, b in zip(times[first], times[name])),
            largest_error=largest_error(results[first], results[name]),
            made=summary(made[name]) if name in ("braze", "frozen") else "",
        )
        if name in calls
        else Row(case=case.name, contender=name, threads=threads, problem=problems[name])
        for name in contenders
    ]


def summary(compiled):
    """Entries with their launches, and refusals, of a callable and of the children tried in its place."""
    reports = [braze.explain(compiled).report]
    parts = []
    for report in reports:
        reports += report.children
        for entry in report.entries:
            parts.append(f"{entry.state}: {entry.kernel_launches} kernels, {entry.extern_calls} by PyTorch")
        parts += [f"refused: {refusal.reason} {refusal.detail}".strip() for refusal in report.refusals]
    return "; ".join(dict.fromkeys(parts))


def interleaved(calls, *, rounds=15, seconds_a_round=0.02):
    """Seconds a call, one number a round, of each contender in `calls`, timed in turn."""
    repeats = {name: calibrate(call, seconds_a_round) for name, call in calls.items()}
    times = {name: [] for name in calls}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                times[name].append(time_once(call, repeats[name]))
    finally:
        if collecting:
            gc.enable()
    return times


def calibrate(call, seconds):
    """How many calls fill the time of a round."""
    repeats = 1
    while (taken := time_once(call, repeats) * repeats) < seconds / 4:
        repeats *= 4
    return max(1, round(repeats * seconds / taken))


def time_once(call, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def guard_microseconds(compiled, args, kwargs):
    """What testing the guards costs a call that an entry answers, least of the entries; None when none does."""
    callable_ = compiled._compiled_call_impl if isinstance(compiled, torch.nn.Module) else compiled
    costs = []
    for published in callable_.handler.entries:
        try:
            costs += [braze._C.guard_microseconds(published.entry, args, kwargs) for _ in range(9)]
        except ValueError:  # this entry stands for other calls
            continue
    return min(costs, default=None)


def largest_error(expected, actual):
    """The largest absolute difference between the tensors in two results, which have the same structure."""
    pairs = zip(tensors_in(expected), tensors_in(actual), strict=True)
    return max((float((a.double() - b.double()).abs().max()) for a, b in pairs if a.numel()), default=0.0)


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors_in(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from tensors_in(part)


def print_case(rows, made):
    """A line of the table; an empty column is a contender that cannot run the case."""
    speedups = "".join(" " * 14 if row.problem else f" {row.speedup:12.2f}x" for row in rows[1:])
    print(f"{rows[0].case:34} {rows[0].threads:7}{speedups}", flush=True)
    for row in rows:
        if row.problem or (made and row.made):
            print(f"{'':42} {row.contender}: {row.problem or row.made}", flush=True)


def print_means(rows, contenders):
    """Under the table: geometric means over the cases each contender can run."""
    means = ""
    for name in contenders[1:]:
        speedups = [row.speedup for row in rows if row.contender == name and not row.problem]
        means += f" {statistics.geometric_mean(speedups):12.2f}x" if speedups else " " * 14
    print(f"{'geometric mean':42}{means}")
