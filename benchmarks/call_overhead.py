"""What a call costs when there is next to nothing to compute.   python benchmarks/call_overhead.py"""

import torch
from torch import nn

import timing


def add_one(x):
    return x + 1


class TenParameters(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList(torch.full((8,), 1.0 + index) for index in range(10))

    def forward(self, x):
        for weight in self.weights:
            x = x + weight
        return x


CASES = (
    timing.Case("x + 1, 8 elements", lambda: (add_one, (torch.ones(8),))),
    timing.Case("module with 10 parameters", lambda: (TenParameters(), (torch.ones(8),))),
)

if __name__ == "__main__":
    timing.run_cases(CASES, timing.arguments(__doc__).parse_args())
