"""How braze.compile, explain, the log and the dump behave to the hand: forms, errors, names, modules in place."""

import copy
import functools
import inspect
import pickle
import time

import pytest
import torch
from torch import nn

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")


@braze.compile
def documented(x, scale: float = 2.0, *, bias=0.0):
    """Scales and shifts."""
    return x * scale + bias


@braze.compile(numerics="eager", freeze=False)
def with_options(x):
    return x + 1


class Layer:
    scale = 3.0

    @braze.compile
    def method(self, x):
        return x * self.scale

    @classmethod
    @braze.compile
    def by_class(cls, x):
        return x * cls.scale

    @braze.compile
    @classmethod
    def outside_class(cls, x):
        return x * cls.scale

    @staticmethod
    @braze.compile
    def static(x):
        return x + 1

    @braze.compile
    @staticmethod
    def outside_static(x):
        return x + 1


def called(compiled, *args, calls=5, **kwargs):
    with torch.no_grad():
        for _ in range(calls):
            result = compiled(*args, **kwargs)
    return result.tolist()


def test_decorator_forms():
    x = torch.ones(2)
    assert called(documented, x) == [2.0, 2.0]
    assert called(documented, x, 3.0, bias=1.0) == [4.0, 4.0]
    assert called(with_options, x) == [2.0, 2.0]
    assert called(braze.compile()(lambda x: x + 1), x) == [2.0, 2.0]
    assert called(braze.compile(lambda x: x - 1), x) == [0.0, 0.0]


def test_name_doc_and_signature_are_kept():
    assert documented.__name__ == "documented"
    assert documented.__qualname__ == "documented"
    assert documented.__doc__ == "Scales and shifts."
    assert documented.__module__ == __name__
    assert str(inspect.signature(documented)) == "(x, scale: float = 2.0, *, bias=0.0)"
    assert documented.__wrapped__.__name__ == "documented"
    assert callable(documented)


def test_methods():
    x = torch.ones(2)
    layer, other = Layer(), Layer()
    other.scale = 5.0
    assert called(layer.method, x) == [3.0, 3.0]
    assert called(other.method, x) == [5.0, 5.0]
    assert called(Layer.method, layer, x) == [3.0, 3.0]
    assert called(functools.partial(layer.method), x) == [3.0, 3.0]
    assert layer.method.__self__ is layer


@pytest.mark.parametrize("name", ["by_class", "outside_class", "static", "outside_static"])
def test_class_and_static_methods(name):
    expected = 2.0 if "static" in name else 3.0
    assert called(getattr(Layer, name), torch.ones(2)) == [expected] * 2
    assert called(getattr(Layer(), name), torch.ones(2)) == [expected] * 2


@pytest.mark.parametrize("target", [3, "text", None.__class__, torch.ones(2), [len]])
def test_what_cannot_be_compiled(target):
    with pytest.raises(braze.UserError, match=r"^braze\.compile: "):
        braze.compile(target)


def test_unknown_option():
    with pytest.raises(braze.UserError, match="unknown option 'fastest'"):
        braze.compile(lambda x: x, fastest=True)
    with pytest.raises(TypeError):
        braze.compile(fastest=True)


def test_builtins_and_partials():
    x = torch.full((2,), 0.5)
    assert called(braze.compile(torch.relu), x) == [0.5, 0.5]
    assert called(braze.compile(functools.partial(torch.mul, other=3)), x) == [1.5, 1.5]
    assert called(braze.compile(torch.ops.aten.neg.default), x) == [-0.5, -0.5]


def test_compiling_twice_is_compiling_once():
    assert called(braze.compile(braze.compile(lambda x: x + 1)), torch.ones(2)) == [2.0, 2.0]
    net = braze.compile(nn.ReLU())
    assert braze.compile(net) is net
    assert called(net, -torch.ones(2)) == [0.0, 0.0]


def test_module_stays_what_it_is():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    keys, text, parameters = list(net.state_dict()), repr(net), list(net.parameters())
    assert braze.compile(net) is net
    assert type(net) is nn.Sequential
    assert (list(net.state_dict()), repr(net)) == (keys, text)
    assert all(mine is theirs for mine, theirs in zip(net.parameters(), parameters))
    x = torch.ones(1, 2)
    expected = net.forward(x).tolist()
    assert called(net, x) == expected
    for clone in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert called(clone, x) == expected
        assert clone[0].weight is not net[0].weight


def test_copies_run_themselves():
    """PyTorch's recurrent layers hand on what they are called through; a copy must not run the original."""
    net = braze.compile(nn.LSTM(2, 3))
    x = torch.ones(1, 1, 2)
    with torch.no_grad():
        before = [net(x)[0] for _ in range(4)][-1]
        for clone in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
            clone.bias_ih_l0.add_(1)
            assert not torch.allclose(clone(x)[0], before)
            assert torch.allclose(clone(x)[0], clone.forward(x)[0])
        assert torch.allclose(net(x)[0], before)


def test_module_can_be_saved(tmp_path):
    net = braze.compile(nn.Linear(2, 3))
    expected = called(net, torch.ones(1, 2))
    torch.save(net, tmp_path / "net.pt")
    assert called(torch.load(tmp_path / "net.pt", weights_only=False), torch.ones(1, 2)) == expected


def test_train_eval_and_to_return_the_module():
    net = braze.compile(nn.Linear(2, 3))
    assert net.train() is net and net.eval() is net and net.to(torch.float64) is net
    assert net(torch.ones(1, 2, dtype=torch.float64)).dtype is torch.float64


def test_threads_of_attributes():
    def f(x):
        return x

    f.note = "kept"
    assert braze.compile(f).note == "kept"


def test_explain_before_any_call():
    report = braze.explain(braze.compile(lambda x: x + 1)).report
    assert report.entries == () and report.refusals == ()


def test_explain_of_an_entry():
    compiled = braze.compile(documented.__wrapped__)
    called(compiled, torch.ones(8), calls=12)
    explanation = braze.explain(compiled)
    (entry,) = explanation.report.entries
    assert len(entry.kernels) == 1 and not entry.externs
    assert any("mul" in op for op in entry.kernels[0].ops)
    assert entry.hits > 0
    assert explanation.report.kernels_compiled + explanation.report.kernels_from_disk >= 1 or entry.kernels
    text, page = repr(explanation), explanation._repr_html_()
    for word in ("1 entry", "aten::mul", "float[8]"):
        assert word in text and word in page


def tells_the_time(x):
    now = time.time()
    return x * min(now, 2.0)


def seeds(x):
    noise = torch.manual_seed(0)
    return x * torch.rand(2, generator=noise)


def finds(x):
    where = torch.nonzero(x, out=torch.empty(2, 1, dtype=torch.long))
    return where * 2


def hands_out(x):
    array = x.numpy()
    return x * float(array[0])


@pytest.mark.parametrize(
    "function, reason",
    [(tells_the_time, "impure_call"), (seeds, "impure_call"), (finds, "data_dependent"), (hands_out, "leak")],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_explain_of_a_refusal_names_the_line(function, reason):
    compiled = braze.compile(function)
    called(compiled, torch.ones(2))
    (refusal,) = braze.explain(compiled).report.refusals
    assert refusal.reason == reason
    assert (refusal.file, refusal.line) == (__file__, function.__code__.co_firstlineno + 1)
    assert f"{__file__}:{refusal.line}" in repr(braze.explain(compiled))


def test_explain_of_gradients():
    compiled = braze.compile(lambda x: x * 2)
    for _ in range(4):
        compiled(torch.ones(2, requires_grad=True))
    assert [refusal.reason for refusal in braze.explain(compiled).report.refusals] == ["needs_grad"]


def test_explain_takes_methods_and_modules():
    layer = Layer()
    called(layer.method, torch.ones(2))
    assert "method" in repr(braze.explain(layer.method))
    net = braze.compile(nn.Linear(2, 3))
    called(net, torch.ones(1, 2))
    assert "Linear" in repr(braze.explain(net))


def test_child_of_a_refused_module_is_compiled():
    class TellsTheTime(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.LayerNorm(4))

        def forward(self, x):
            return self.inner(x) + min(time.time(), 1.0)

    net = braze.compile(TellsTheTime())
    x = torch.ones(2, 4)
    with torch.no_grad():
        expected = net.forward(x)
    torch.testing.assert_close(torch.tensor(called(net, x, calls=12)), expected)
    report = braze.explain(net).report
    assert [refusal.reason for refusal in report.refusals] == ["impure_call"]
    assert any(child.entries for child in report.children), repr(braze.explain(net))


def test_why_not_compiled():
    compiled = braze.compile(hands_out)
    assert [obstacle.reason for obstacle in braze.explain(compiled).why_not_compiled] == ["not_yet"]
    called(compiled, torch.ones(2))
    (obstacle,) = braze.explain(compiled).why_not_compiled
    assert (obstacle.reason, obstacle.detail) == ("leak", "Tensor.numpy")
    assert obstacle.place == f"{__file__}:{hands_out.__code__.co_firstlineno + 1}"


def test_nothing_stands_in_the_way_of_what_is_compiled():
    compiled = braze.compile(lambda x: x * 2, trial=False)
    called(compiled, torch.ones(2))
    assert braze.explain(compiled).why_not_compiled == []


def test_fresh_objects_are_named():
    class Slots:
        __slots__ = ("factor",)

    def fresh():
        slots = Slots()
        slots.factor = 2.0
        return slots

    compiled = braze.compile(lambda x, slots: x * slots.factor)
    for _ in range(4):
        compiled(torch.ones(2), fresh())
    (obstacle,) = braze.explain(compiled).why_not_compiled
    assert obstacle.reason == "argument_structure" and "args[1]" in obstacle.detail


def test_strict_raises_what_explain_says():
    compiled = braze.compile(hands_out, strict=True)
    assert compiled(torch.ones(2)).tolist() == [1.0, 1.0]  # traced, and run
    with pytest.raises(braze.NotCompiledError, match="leak: .*Tensor.numpy") as raised:
        called(compiled, torch.ones(2))
    (obstacle,) = braze.explain(compiled).why_not_compiled
    assert str(raised.value) == str(obstacle)
    assert compiled(torch.ones(3)).tolist() == [1.0] * 3  # a kind of call not seen before


def test_strict_runs_nothing_of_a_refused_call():
    seen = []

    def f(x):
        seen.append(1)
        return x * float(x.numpy()[0])

    compiled = braze.compile(f, strict=True)
    compiled(torch.ones(2))
    before = len(seen)
    for _ in range(3):
        with pytest.raises(braze.NotCompiledError):
            compiled(torch.ones(2))
    assert len(seen) == before


def test_strict_lets_through_what_compiles_and_what_raises():
    compiled = braze.compile(lambda x, i: x[i] * 2, strict=True, trial=False)
    with torch.no_grad():
        for _ in range(6):
            assert compiled(torch.ones(4), torch.tensor([1])).tolist() == [2.0]
        for _ in range(6):
            with pytest.raises(IndexError):
                compiled(torch.ones(4), torch.tensor([9]))
        assert compiled(torch.ones(4), torch.tensor([1])).tolist() == [2.0]
    assert torch.func.vmap(compiled, (0, None))(torch.ones(2, 4), torch.tensor([1])).tolist() == [[2.0], [2.0]]


def test_log_lines(process_option, capfd):
    process_option(log="compiles,kernels,guards,refusals")
    called(braze.compile(lambda x: (x * 3 + 1).relu()), torch.ones(4))
    called(braze.compile(hands_out), torch.ones(4))
    lines = capfd.readouterr().err.splitlines()
    for channel in ("compiles", "kernels", "refusals"):
        assert any(channel in line for line in lines), (channel, lines)
    assert any("leak" in line for line in lines)


def test_no_log_by_default(capfd):
    called(braze.compile(hands_out), torch.ones(4))
    called(braze.compile(lambda x: x * 2), torch.ones(4))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_dump(process_option, tmp_path):
    process_option(dump=str(tmp_path))
    called(braze.compile(lambda x: (x * 17.25 + 1).tanh()), torch.ones(4))
    names = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    texts = "\n".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert len(names) >= 3, names
    assert "tanh" in texts and "aten::mul" in texts
    assert "define" in texts, "no LLVM IR"


def test_cache_info_and_clear(process_option, tmp_path):
    process_option(cache_dir=str(tmp_path))
    assert called(braze.compile(lambda x: x * 5 + 2), torch.ones(2)) == [7.0, 7.0]
    info = braze.cache.info()
    assert {"path", "entries", "bytes", "hits", "misses"} <= set(info)
    assert braze.cache.path() == info["path"]
    braze.cache.clear()
    assert braze.cache.info()["entries"] == 0
    assert called(braze.compile(lambda x: x * 7), torch.ones(2)) == [7.0, 7.0]
