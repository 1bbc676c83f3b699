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
    build = dynamo.compiled_graph

    def note(*arguments):
        made.append(build(*arguments))
        return made[-1]

    monkeypatch.setattr(dynamo, "compiled_graph", note)
    return made


def compiled(function, **settings):
    return torch.compile(function, backend="braze", options={"trial": False}, **settings)


def entries(callables):
    return [len(braze.explain(made).report.entries) for made in callables]


def test_backend_is_listed():
    assert "braze" in torch.compiler.list_backends()


def test_function(callables):
    def chain(x, y):
        return torch.tanh(x * 2 + y) - y

    x, y = torch.randn(300, 400), torch.randn(400)
    function = compiled(chain)
    with torch.no_grad():
        for _ in range(5):
            torch.testing.assert_close(function(x, y), chain(x, y))
    (report,) = [braze.explain(made).report for made in callables]
    assert len(report.entries) == 1 and report.entries[0].hits >= 1


def test_same_kernels_as_the_other_way_in(callables):
    def chain(x):
        return torch.exp(x * 3) + x.sum(-1, keepdim=True)

    x = torch.randn(70, 90)
    own, function = braze.compile(chain, trial=False), compiled(chain)
    with torch.no_grad():
        for _ in range(4):
            torch.testing.assert_close(own(x), function(x), rtol=0, atol=0)
    (report,) = [braze.explain(made).report for made in callables]
    assert report.kernels_compiled == 0 and report.kernels_from_memory == 1
    names = [
        [kernel.name for entry in r.entries for kernel in entry.kernels] for r in (braze.explain(own).report, report)
    ]
    assert names[0] == names[1]


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
    function = compiled(model)
    with torch.no_grad():
        for _ in range(5):
            torch.testing.assert_close(function(x), model(x))
    assert len(callables) >= 2 and set(entries(callables)) == {1}


def test_new_weights_are_used(callables):
    model, x = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.GELU()), torch.randn(3, 8)
    function = compiled(model)
    with torch.no_grad():
        for round_ in range(3):
            for _ in range(4):
                torch.testing.assert_close(function(x), model(x))
            if round_ == 0:
                model[0].weight.data = torch.randn(8, 8)
            else:
                model.load_state_dict({name: torch.randn_like(value) for name, value in model.state_dict().items()})
    assert entries(callables) == [1]


def test_writes_to_inputs_and_buffers(callables):
    def step(x, total):
        total.add_(x)
        x[1:].mul_(2)
        return total.t(), x

    function = compiled(step)
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(6), torch.nn.ReLU())
    norm = compiled(model)
    mirror = torch.nn.Sequential(torch.nn.BatchNorm1d(6), torch.nn.ReLU())
    with torch.no_grad():
        for _ in range(5):
            x, total = torch.randn(6, 6), torch.randn(6, 6)
            expected_x, expected_total = x.clone(), total.clone()
            view, same = function(x, total)
            step(expected_x, expected_total)
            assert same is x and view.data_ptr() == total.data_ptr() and view.stride() == (1, 6)
            torch.testing.assert_close((x, total), (expected_x, expected_total))
            torch.testing.assert_close(norm(x), mirror(x))
            torch.testing.assert_close(model.state_dict(), mirror.state_dict())


def test_shared_memory_among_inputs(callables):
    def write(x, y):
        x.add_(1)
        return x * y

    function = compiled(write)
    base = torch.randn(20)
    with torch.no_grad():
        for _ in range(4):
            x, y = base[:10].clone(), base[5:15].clone()
            torch.testing.assert_close(function(x, y), (base[:10] + 1) * base[5:15])
        for _ in range(4):
            ours, theirs = base.clone(), base.clone()
            torch.testing.assert_close(function(ours[:10], ours[5:15]), write(theirs[:10], theirs[5:15]))
            torch.testing.assert_close(ours, theirs)


def test_dynamic_shapes(callables):
    def head(x):
        return torch.relu(x[: x.shape[0] // 2] * x.shape[1])

    function = compiled(head, dynamic=True)
    with torch.no_grad():
        for size in (4, 4, 4, 10, 10, 10, 7, 7, 7, 4):
            x = torch.randn(size, 5)
            torch.testing.assert_close(function(x), head(x))
    assert entries(callables) == [3]


def test_random_numbers_are_eagers(callables):
    def noisy(x):
        return torch.nn.functional.dropout(x, 0.5) + torch.rand_like(x)

    function, x = compiled(noisy), torch.randn(50)
    with torch.no_grad():
        for seed in range(4):
            torch.manual_seed(seed)
            ours, state = function(x), torch.get_rng_state()
            torch.manual_seed(seed)
            torch.testing.assert_close(ours, noisy(x), rtol=0, atol=0)
            assert torch.equal(state, torch.get_rng_state())


def test_constants_of_the_graph(callables):
    table = torch.arange(5.0)

    def scaled(x):
        return x * table + torch.tensor([1.0, 2, 3, 4, 5])

    function, x = compiled(scaled), torch.randn(3, 5)
    with torch.no_grad():
        for _ in range(4):
            torch.testing.assert_close(function(x), scaled(x))
        table.mul_(7)
        torch.testing.assert_close(function(x), scaled(x))


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
