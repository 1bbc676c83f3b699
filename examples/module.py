"""A module: compiled in place, it stays the module it was. Weights are read anew at every call, so changes show."""

import copy

import torch

import braze

model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.GELU(), torch.nn.Linear(128, 8)).eval()
eager = copy.deepcopy(model)
braze.compile(model)

x = torch.randn(16, 64)
with torch.no_grad():
    for _ in range(4):
        torch.testing.assert_close(model(x), eager(x))
    model[0].weight.mul_(2)
    eager[0].weight.mul_(2)
    torch.testing.assert_close(model(x), eager(x))
print(f"{type(model).__name__} with {len(model.state_dict())} tensors, compiled, and changed weights are seen")
