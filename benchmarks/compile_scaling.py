"""How compiling grows with the graph: programs of up to 5,000 operators, none from a cache.

python benchmarks/compile_scaling.py --operators 500 1000 2000 5000

Milliseconds a thousand operators, of each stage and of the calls that traced and confirmed: equal numbers down a column
are linear growth.
"""

import argparse
import time

import torch

import braze

braze.options.cache = False
SIZES = (500, 1000, 2000, 5000)


def program(operators):
    """Products, pointwise work and sums in turn, so that fusion has something to decide everywhere."""

    def run(x, weight):
        for _ in range(operators // 7):
            y = torch.relu(x @ weight + x)
            x = y * 0.5 + (x - x.sum(-1, keepdim=True)) * 0.01
        return x

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operators", type=int, nargs="+", default=SIZES)
    chosen = parser.parse_args()
    print("ms a thousand operators")
    print(
        f"{'operators':>9} {'first calls':>12} {'passes':>8} {'schedule':>9} {'codegen':>8} {'kernels':>8} {'calls':>6}"
    )
    warm_up(program(7))
    for operators in chosen.operators:
        seconds, report = compile_time(program(operators))
        (entry,) = report.entries
        stages = {stage.name: stage.milliseconds for stage in report.stages}
        thousands = operators / 1000
        print(
            f"{operators:9} {1e3 * seconds / thousands:12.1f} {stages['passes'] / thousands:8.1f} "
            f"{stages['schedule'] / thousands:9.1f} {stages['codegen'] / thousands:8.1f} "
            f"{entry.kernel_launches:8} {entry.extern_calls:6}",
            flush=True,
        )


def warm_up(function):
    """What the process does once: imports, LLVM's start, the kernels that all sizes share."""
    compile_time(function)


def compile_time(function):
    """Seconds of the calls up to the entry, beyond those of eager ones, and the report."""
    x, weight = torch.randn(8, 16), torch.randn(16, 16) * 0.01
    compiled = braze.compile(function)
    with torch.no_grad():
        start = time.perf_counter()
        function(x, weight)
        eager = time.perf_counter() - start
        start = time.perf_counter()
        for _ in range(2):
            compiled(x, weight)
        return time.perf_counter() - start - 2 * eager, braze.explain(compiled).report


if __name__ == "__main__":
    main()
