"""A function: decorated, called, and still what eager PyTorch gives."""

import torch

import braze


@braze.compile
def gelu_residual(x, bias):
    return x + torch.nn.functional.gelu(x + bias) * 0.5


x, bias = torch.randn(64, 512), torch.randn(512)
expected = x + torch.nn.functional.gelu(x + bias) * 0.5
for _ in range(5):  # traced, confirmed and proved, then compiled
    result = gelu_residual(x, bias)
    torch.testing.assert_close(result, expected)
print("five calls, the same result as eager")
