"""The first thing to run after a change: seconds, and most of the project is touched."""

import time

import pytest
import torch
from outcomes import COMPILED, outcome
from torch import nn

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")


def called(compiled, *args, calls=5):
    """The last result of several calls under no_grad."""
    with torch.no_grad():
        for _ in range(calls):
            result = compiled(*args)
    return result


def test_pointwise():
    compiled = braze.compile(lambda x, y: (x * 2 + y).relu())
    x, y = torch.randn(8, 16), torch.randn(16)
    assert torch.equal(called(compiled, x, y), (x * 2 + y).relu())
    assert outcome(compiled) == COMPILED


def test_reduction():
    compiled = braze.compile(lambda x: torch.softmax(x, -1))
    x = torch.randn(8, 100)
    torch.testing.assert_close(called(compiled, x), torch.softmax(x, -1))
    assert outcome(compiled) == COMPILED


def test_module():
    net = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 4)).eval()
    x = torch.randn(5, 8)
    expected = called(net, x)
    compiled = braze.compile(net)
    assert compiled is net
    torch.testing.assert_close(called(net, x), expected)
    assert outcome(net) == COMPILED
    assert len(braze.explain(net).report.entries) == 1


def test_entry_is_used():
    compiled = braze.compile(lambda x: x.exp() + 1)
    called(compiled, torch.randn(64), calls=20)
    assert braze.explain(compiled).report.compiled_calls >= 10


def test_in_place():
    compiled = braze.compile(lambda x: x.add_(1).mul_(2))
    x = torch.zeros(4)
    out = called(compiled, x, calls=4)
    assert out is x
    assert x.tolist() == [30.0] * 4


def test_second_shape():
    compiled = braze.compile(lambda x: x * 2 + 1)
    for rows in (3, 4, 3, 5):
        assert torch.equal(called(compiled, torch.ones(rows, 2)), torch.full((rows, 2), 3.0))


def test_hidden_state():
    scale = 2.0
    compiled = braze.compile(lambda x: x * scale)
    assert called(compiled, torch.ones(2)).tolist() == [2.0, 2.0]
    scale = 5.0
    assert called(compiled, torch.ones(2)).tolist() == [5.0, 5.0]


def test_branch_on_a_value():
    compiled = braze.compile(lambda x: x + 1 if x.sum() > 0 else x - 1)
    for sign in (1, -1, 1):
        assert called(compiled, sign * torch.ones(2)).tolist() == [2.0 * sign] * 2


def test_refusal_is_explained():
    compiled = braze.compile(lambda x: x + min(time.time(), 1.0))
    assert called(compiled, torch.ones(2)).tolist() == [2.0, 2.0]
    (refusal,) = braze.explain(compiled).report.refusals
    assert refusal.reason == "impure_call" and "time" in refusal.detail
    assert refusal.file == __file__ and refusal.line > 0


def test_gradients():
    compiled = braze.compile(lambda x: (x**2).sum())
    for _ in range(4):
        x = torch.ones(3, requires_grad=True)
        compiled(x).backward()
        assert x.grad.tolist() == [2.0, 2.0, 2.0]
