"""Matrix products: kernels of braze beside PyTorch's library and torch.compile, bare and with what follows them.

One line a shape: how many times as fast as eager each contender is (the least times of rounds in which all are
timed in turn), what braze chose, how many thousand million operations a second that makes, and how much longer it takes
than the bare product of braze, and how many times as fast it is as eager's. Weights are laid out as nn.Linear has them
(columns x depth), or as [depth, columns].

python benchmarks/matrix_products.py --threads 1 --only 8x
python benchmarks/matrix_products.py --dtype bfloat16 --layouts linear
"""

import argparse
import math

import torch
from torch.nn import functional as F

import braze
import timing

# rows, depth, columns
SHAPES = (
    (1, 512, 512),
    (1, 1024, 4096),
    (2, 512, 512),
    (4, 1024, 4096),
    (8, 384, 384),
    (8, 512, 512),
    (8, 384, 1536),
    (8, 1536, 384),
    (16, 768, 768),
    (32, 512, 512),
    (32, 3072, 768),
    (64, 512, 512),
    (64, 768, 3072),
    (64, 3072, 768),
    (64, 1024, 2816),
    (197, 192, 768),
    (197, 768, 192),
    (512, 384, 384),
    (1024, 1024, 1024),
)


def product(x, weight, bias, residual):
    return x @ weight


def biased(x, weight, bias, residual):
    return torch.addmm(bias, x, weight)


def activated(x, weight, bias, residual):
    return F.gelu(torch.addmm(bias, x, weight))


def added(x, weight, bias, residual):
    return torch.addmm(bias, x, weight) * 0.5 + residual


FUNCTIONS = (product, biased, activated, added)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--layouts", nargs="+", choices=("linear", "plain"), default=("linear", "plain"))
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", nargs="+", default=[], help="shapes whose text contains one of these")
    parser.add_argument("--torch-compile", action="store_true", help="time torch.compile too")
    chosen = parser.parse_args()
    for threads in chosen.threads:
        torch.set_num_threads(threads)
        print(f"{chosen.dtype}, {threads} threads; times as fast as eager")
        for shape in SHAPES:
            text = "x".join(map(str, shape))
            if chosen.only and not any(part in text for part in chosen.only):
                continue
            for layout in chosen.layouts:
                for function in FUNCTIONS:
                    with torch.no_grad():
                        show(
                            f"{text} {layout} {function.__name__}",
                            function,
                            shape,
                            tensors(shape, layout, chosen),
                            chosen,
                        )


def tensors(shape, layout, chosen):
    rows, depth, columns = shape
    dtype = getattr(torch, chosen.dtype)
    weight = (
        torch.randn(columns, depth, dtype=dtype).t() if layout == "linear" else torch.randn(depth, columns, dtype=dtype)
    )
    return (
        torch.randn(rows, depth, dtype=dtype),
        weight,
        torch.randn(columns, dtype=dtype),
        torch.randn(rows, columns, dtype=dtype),
    )


def show(title, function, shape, args, chosen):
    torch.compiler.reset()
    targets = {"eager": function}
    for products in ("own", "library", "measured"):
        targets[products] = braze.compile(function, products=products, trial=False)
    if function is not product:
        targets["bare"] = braze.compile(product, trial=False)
        targets["eager bare"] = product
    if chosen.torch_compile:
        targets["torch.compile"] = torch.compile(function)
    for target in targets.values():
        for _ in range(timing.WARM_UP_CALLS):
            target(*args)
    calls = {name: lambda target=target: target(*args) for name, target in targets.items()}
    times = timing.interleaved(calls, rounds=chosen.rounds, seconds_a_round=0.001)
    ratios = {name: min(times["eager"]) / min(times[name]) for name in calls}
    (entry,) = braze.explain(targets["measured"]).report.entries
    cells = "  ".join(
        f"{name} {ratio:.2f}" for name, ratio in ratios.items() if name not in ("eager", "bare", "eager bare")
    )
    rate = 2e-9 * math.prod(shape) / min(times["measured"])
    more = ""
    if function is not product:
        least = {name: min(seconds) for name, seconds in times.items()}
        more = f", {least['measured'] / least['bare'] - 1:+.0%}, {least['eager bare'] / least['measured']:.2f}"
    print(
        f"  {title:36} {cells}  chose {'the library' if entry.extern_calls else 'its own'}: {rate:.0f}{more}",
        flush=True,
    )


if __name__ == "__main__":
    main()
