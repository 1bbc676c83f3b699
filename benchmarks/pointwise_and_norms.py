"""Memory-bound work that fusion is for: eager, torch.compile and braze.

python benchmarks/pointwise_and_norms.py --threads 1 2
"""

import torch
import torch.nn.functional as F

import timing


def chain(x, y):
    """Ten pointwise operators."""
    return torch.sigmoid((torch.tanh(x * 2 + y) - y).abs() * x + 1) * y - x


def layer_norm_gelu_residual(x, weight, bias):
    return x + F.gelu(F.layer_norm(x, x.shape[-1:], weight, bias))


def rms_norm_swiglu(x, weight, gate):
    normed = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight
    return F.silu(normed) * gate


def softmax(x):
    return torch.softmax(x, dim=-1)


def random_case(name, function, *shapes):
    def make():
        torch.manual_seed(0)
        return function, tuple(torch.randn(shape) for shape in shapes)

    return timing.Case(name, make)


CASES = (
    random_case("10 pointwise, 1M", chain, (1 << 20,), (1 << 20,)),
    random_case("10 pointwise, 1000", chain, (1000,), (1000,)),
    random_case("layer norm, gelu, residual", layer_norm_gelu_residual, (8, 512, 768), (768,), (768,)),
    random_case("rms norm, swiglu", rms_norm_swiglu, (256, 4096), (4096,), (256, 4096)),
    random_case("softmax", softmax, (256, 4096)),
)

if __name__ == "__main__":
    timing.run_cases(CASES, timing.arguments(__doc__).parse_args())
