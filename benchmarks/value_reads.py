"""Code that reads numbers out of tensors: eager beside braze, which must not cost such code anything.

python benchmarks/value_reads.py

Two of five operators of each program are .item() calls; the numbers they give differ at every call, at some, or never.
"""

import torch

import timing

SIZE = 4096


def always_another(x, step):
    """The numbers Python reads are others at every call."""
    step.add_(1)
    for _ in range(4):
        y = torch.sin(x) + step
        a, b = y[0].item(), y[-1].item()
        x = x * (1 + 1e-6 * a) + b * 1e-6
    return x


def two_ways(x, step):
    """A number that Python branches on, with two answers in turn."""
    step.add_(1)
    for _ in range(4):
        y = x * 0.5 + step.remainder(2)
        if y[0].item() > 0 and y.sum().item() > -1e9:
            x = torch.tanh(y) + x
        else:
            x = torch.tanh(y) - x
    return x


def always_the_same(x, step):
    """Numbers that never change."""
    for _ in range(4):
        scale, shift = step.item(), x[0].item()
        x = torch.sigmoid(x * scale) + shift
        x = x - x.mean()
        x[0] = shift
    return x


def case(function):
    return timing.Case(function.__name__.replace("_", " "), lambda: (function, (torch.randn(SIZE), torch.zeros(1))))


if __name__ == "__main__":
    timing.run_cases(
        list(map(case, (always_another, two_ways, always_the_same))), timing.arguments(__doc__).parse_args()
    )
