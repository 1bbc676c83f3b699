"""Recurrent layers in kernels of ours: as close to the exact result as eager's, whatever their form."""

import copy

import pytest
import torch
from outcomes import faults, reasons
from torch import nn

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")


def compiled(target, **options):
    """A module is compiled as a copy, so that it stays eager's."""
    target = copy.deepcopy(target) if isinstance(target, nn.Module) else target
    return braze.compile(target, **{"products": "own", **options})


def report_of(ours):
    (entry,) = braze.explain(ours).report.entries
    return entry


def layer_calls(ours):
    return [extern for extern in report_of(ours).externs if "rnn_layer" in str(extern) or "aten::gru" in str(extern)]


def flat(result):
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in flat(part)]


def check(module, *args, own=True, **options):
    """The compiled module is as close to the result in double precision as eager is, in eager's layout."""
    module.eval()
    ours = compiled(module, **options)
    with torch.no_grad():
        expected = flat(module(*args))
        for _ in range(4):
            results = flat(ours(*args))
        wanted = flat(copy.deepcopy(module).double()(*(in_double(arg) for arg in args)))
    assert len(results) == len(expected)
    for result, eager, exact in zip(results, expected, wanted, strict=True):
        error, eager_error = ((t.double() - exact).abs().max().item() for t in (result, eager))
        assert error <= max(3 * eager_error, 2e-6), (error, eager_error)
        assert result.dtype == eager.dtype
        assert result.shape == eager.shape
        assert result.stride() == eager.stride()
    assert not faults(ours), faults(ours)
    assert (not layer_calls(ours)) == own, repr(braze.explain(ours))
    return ours


def agree(ours, eager, *args):
    """The first calls, which are traced, and one that an entry answers."""
    with torch.no_grad():
        for _ in range(4):
            torch.testing.assert_close(ours(*args), eager(*args))
    assert not faults(ours), faults(ours)


def in_double(arg):
    return arg.double() if isinstance(arg, torch.Tensor) else tuple(in_double(part) for part in arg)


# rows, steps, width, units: panels, tiles and vectors end in every way, weights are packed or not
SIZES = ((1, 1, 3, 2), (4, 12, 8, 16), (3, 5, 7, 20), (13, 9, 16, 48), (1, 40, 24, 33), (2, 2, 130, 64))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


KINDS = pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])


@KINDS
@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_sizes(kind, sizes, freeze):
    rows, steps, width, units = sizes
    check(kind(width, units), torch.randn(steps, rows, width), freeze=freeze)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_first": True},
        {"num_layers": 3},
        {"bidirectional": True},
        {"bidirectional": True, "num_layers": 2, "batch_first": True},
        {"bias": False},
        {"bias": False, "bidirectional": True, "num_layers": 2},
        {"num_layers": 2, "dropout": 0.5},
    ],
    ids=str,
)
@KINDS
def test_forms(kind, options):
    freeze = "num_layers" in options
    check(kind(12, 32, **options), torch.randn(9, 10, 12), freeze=freeze)


@pytest.mark.parametrize("layers", [1, 2])
def test_states_come_and_go(layers):
    state = torch.randn(2 * layers, 3, 16), torch.randn(2 * layers, 3, 16)
    check(nn.LSTM(8, 16, layers, bidirectional=True), torch.randn(11, 3, 8), state)
    check(nn.GRU(8, 16, layers, bidirectional=True), torch.randn(11, 3, 8), state[0])


def test_states_of_any_layout():
    """What the kernel's form does not allow is copied first."""
    transposed = torch.randn(1, 16, 3).transpose(1, 2)
    expanded = torch.randn(1, 1, 16).expand(1, 3, 16)
    for state in ((transposed, expanded), (expanded, transposed)):
        for freeze in (False, True):
            check(nn.LSTM(8, 16), torch.randn(11, 3, 8), state, freeze=freeze)
            check(nn.GRU(8, 16), torch.randn(11, 3, 8), state[0], freeze=freeze)


@KINDS
def test_no_batch(kind):
    check(kind(8, 16), torch.randn(10, 8))


@KINDS
def test_extreme_gates(kind):
    """Gates that are all open or shut, and infinite or missing inputs, give eager's numbers."""
    layer = kind(4, 16).eval()
    x = torch.randn(12, 2, 4) * 1e4
    check(layer, x)
    x[3, 0, 1] = float("inf")
    x[5, 1, 2] = float("nan")
    ours = compiled(layer)
    with torch.no_grad():
        expected = layer(x)[0]
        for _ in range(4):
            result = ours(x)[0]
    assert torch.equal(result.isnan(), expected.isnan())
    torch.testing.assert_close(result, expected, equal_nan=True)


def test_results_that_change_afterwards():
    """A write to the result of a layer is none to its states, which the next call does not see either."""

    def run(x):
        out, (hidden, cell) = layer(x)
        out.mul_(2)
        cell += 1
        return out, hidden, cell, out[-1] + hidden

    layer = nn.LSTM(8, 16).eval()
    x = torch.randn(10, 3, 8)
    ours = compiled(run)
    agree(ours, run, x)
    assert not layer_calls(ours)


@KINDS
def test_weights_that_change(kind):
    for freeze in (False, True):
        layer = kind(8, 16).eval()
        x = torch.randn(10, 3, 8)
        ours = compiled(layer, freeze=freeze)
        with torch.no_grad():
            for _ in range(4):
                ours(x)
            for changed in (layer, ours):
                changed.weight_hh_l0.mul_(0.5)
                changed.bias_hh_l0.add_(1)
            torch.testing.assert_close(ours(x), layer(x))


def test_frozen_weights_are_packed_once():
    layer = nn.LSTM(8, 16).eval()
    plain, frozen = check(layer, torch.randn(10, 3, 8)), check(layer, torch.randn(10, 3, 8), freeze=True)
    assert len(report_of(frozen).kernels) < len(report_of(plain).kernels)


@KINDS
def test_steps_cost_no_kernels(kind):
    few, many = (check(kind(8, 16), torch.randn(steps, 3, 8)) for steps in (16, 200))
    assert len(report_of(few).kernels) == len(report_of(many).kernels)


@KINDS
def test_gradients(kind):
    layer = kind(8, 16, 2)
    x = torch.randn(10, 3, 8, requires_grad=True)
    ours = compiled(layer)
    for _ in range(4):
        wanted, grads = (torch.autograd.grad(m(x)[0].sum(), [x, *m.parameters()]) for m in (layer, ours))
        torch.testing.assert_close(grads, wanted)
    assert not [reason for reason in reasons(ours) if reason.startswith("internal")]


@pytest.mark.parametrize("options", [{"proj_size": 8}, {"dtype": torch.float64}], ids=str)
def test_forms_that_stay_as_they_were(options):
    layer = nn.LSTM(8, 16, **options).eval()
    x = torch.randn(10, 3, 8, dtype=options.get("dtype"))
    agree(compiled(layer), layer, x)


@KINDS
@pytest.mark.parametrize("bias", [True, False])
def test_trial_decides(kind, bias):
    """Without a choice by hand each shape is tried, and either way gives eager's numbers."""
    layer = kind(8, 16, bias=bias).eval()
    x = torch.randn(20, 3, 8)
    agree(compiled(layer, products="measured"), layer, x)
    library = compiled(layer, products="library")
    agree(library, layer, x)
    assert layer_calls(library)
