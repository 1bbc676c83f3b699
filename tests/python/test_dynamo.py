"""torch.compile(backend="braze"): found by its entry point, equal to eager, and compiled by us."""

import pytest
import torch

import braze
from braze import dynamo


@pytest.fixture(autouse=True)
def fresh_dynamo():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.fixture
def callables(monkeypatch):
    """What the backend returned, so that a test can ask for explanations."""
    made = []
    build = dynamo.compiled_callable

    def note(*arguments):
        made.append(build(*arguments))
        return made[-1]

    monkeypatch.setattr(dynamo, "compiled_callable", note)
    return made


def test_backend_is_listed():
    assert "braze" in torch.compiler.list_backends()


def test_function(callables):
    def chain(x, y):
        return torch.tanh(x * 2 + y) - y

    x, y = torch.randn(300, 400), torch.randn(400)
    compiled = torch.compile(chain, backend="braze", options={"trial": False})
    with torch.no_grad():
        for _ in range(5):
            torch.testing.assert_close(compiled(x, y), chain(x, y))
    (report,) = [braze.explain(made).report for made in callables]
    assert len(report.entries) == 1 and report.entries[0].hits >= 1


def test_module_with_a_graph_break(callables):
    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.Linear(32, 64), torch.nn.Linear(64, 8)

        def forward(self, x):
            x = torch.relu(self.first(x)) + 1
            if x.sum().item() < -1e9:
                return x
            return torch.softmax(self.second(x), dim=-1)

    model, x = Broken().eval(), torch.randn(16, 32)
    compiled = torch.compile(model, backend="braze", options={"trial": False})
    with torch.no_grad():
        for _ in range(5):
            torch.testing.assert_close(compiled(x), model(x))
    assert len(callables) == 2


def test_training_runs_eagerly_and_right():
    model, x = torch.nn.Linear(8, 4), torch.randn(3, 8)
    compiled = torch.compile(model, backend="braze")
    for _ in range(4):
        model.zero_grad()
        compiled(x).sum().backward()
        torch.testing.assert_close(model.weight.grad, x.sum(0).expand(4, 8))


def test_wrong_options():
    with pytest.raises(Exception, match="unknown option 'fancy'; it accepts: numerics"):
        torch.compile(lambda x: x + 1, backend="braze", options={"fancy": 1})(torch.ones(2))
    with pytest.raises(Exception, match="takes no mode"):
        torch.compile(lambda x: x + 1, backend="braze", mode="max-autotune")(torch.ones(2))
