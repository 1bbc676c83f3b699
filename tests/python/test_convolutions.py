"""Frozen convolutions in kernels of ours: results equal eager's for each kind of window, image and epilogue."""

import copy

import pytest
import torch
from outcomes import faults
from test_freeze import assert_close
from torch import nn
from torch.nn import functional as F

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")
CALLS = 4


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


def check(model, *inputs, isa="", convolutions=1, products="own"):
    model = model.eval()
    eager, compiled = copy.deepcopy(model), braze.compile(model, freeze=True, products=products, isa=isa)
    with torch.no_grad():
        expected = eager(*inputs)
        for _ in range(CALLS):
            assert_close(compiled(*inputs), expected)
    assert not faults(compiled), faults(compiled)
    (entry,) = braze.explain(compiled).report.entries
    assert (f"{convolutions} convolutions made kernels" in entry.freezing) == (convolutions > 0), entry.freezing
    return entry


WINDOWS = [
    dict(kernel_size=3, padding=1),
    dict(kernel_size=3, padding=1, stride=2),
    dict(kernel_size=1),
    dict(kernel_size=1, stride=2),
    dict(kernel_size=(1, 5), padding=(0, 2)),
    dict(kernel_size=(5, 1), padding=(2, 0), bias=False),
    dict(kernel_size=3, dilation=2, padding=(2, 1)),
    dict(kernel_size=(2, 3), stride=(1, 2), padding=(1, 0)),
    dict(kernel_size=7, padding=3, stride=2),
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize(
    "channels, isa",
    [((3, 20), ""), ((20, 128), ""), ((16, 72), ""), ((20, 72), "avx2"), ((6, 128), "baseline")],
    ids=str,
)
def test_windows(channels, isa, window):
    check(nn.Conv2d(*channels, **window), torch.randn(2, channels[0], 13, 10), isa=isa)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("channels, isa", [(4, ""), (70, ""), (37, "avx2"), (14, "baseline")])
def test_windows_of_each_channel(channels, isa, window):
    check(nn.Conv2d(channels, channels, groups=channels, **window), torch.randn(2, channels, 11, 14), isa=isa)


def test_a_window_too_large_to_be_written_out():
    check(nn.Conv2d(32, 32, 9, groups=32, padding=4), torch.randn(1, 32, 12, 12))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 3), (7, 7), (5, 300), (40, 250)])
@pytest.mark.parametrize("groups", [1, 24])
def test_sizes_of_images(size, groups):
    check(nn.Conv2d(24, 24, 3, padding=1, groups=groups), torch.randn(1, 24, *size))


@pytest.mark.parametrize("channels", [8, 96, 320])
def test_deep_sums(channels):
    check(nn.Conv2d(channels, 192, 3, padding=1), torch.randn(1, channels, 9, 9))


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("groups", [1, 64])
def test_threads(threads, groups):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        check(nn.Conv2d(64, 64, 3, padding=1, groups=groups), torch.randn(3, 64, 31, 45))
    finally:
        torch.set_num_threads(before)


class Block(nn.Module):
    """An inverted residual with squeeze and excitation."""

    def __init__(self, activation=F.hardswish, channels=24, wide=72, stride=1):
        super().__init__()
        self.activation = activation
        self.expand = nn.Conv2d(channels, wide, 1)
        self.window = nn.Conv2d(wide, wide, 5, stride, 2, groups=wide)
        self.squeeze, self.excite = nn.Conv2d(wide, 16, 1), nn.Conv2d(16, wide, 1)
        self.project = nn.Conv2d(wide, channels, 1, bias=False)

    def forward(self, x):
        y = self.activation(self.window(self.activation(self.expand(x))))
        y = y * F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        y = self.project(y)
        return x + y if x.shape == y.shape else y


@pytest.mark.parametrize("activation", [F.hardswish, F.silu, F.relu6, torch.tanh])
@pytest.mark.parametrize("stride", [1, 2])
def test_what_stands_between_convolutions(activation, stride):
    check(Block(activation, stride=stride), torch.randn(2, 24, 14, 14), convolutions=5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layouts_of_the_input(layout):
    net = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 64, 3, padding=1))
    x = torch.randn(2, 3, 20, 24)
    check(net.to(memory_format=layout), x.contiguous(memory_format=layout), convolutions=2)
    check(nn.Conv2d(3, 8, 3, padding=1), torch.randn(2, 3, 24, 20).transpose(2, 3))


def test_an_image_that_several_convolutions_and_the_caller_read():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(8, 64, 3, padding=1)
            self.wide, self.narrow = nn.Conv2d(64, 64, 5, padding=2), nn.Conv2d(64, 64, 3, padding=1, groups=64)

        def forward(self, x):
            y = F.relu(self.first(x))
            return torch.cat([y, self.wide(y), self.narrow(y)], 1)

    check(Net(), torch.randn(1, 8, 12, 12), convolutions=3)


def test_those_that_kernels_do_not_compute():
    check(nn.Conv2d(16, 32, 3, groups=4), torch.randn(1, 16, 8, 8), convolutions=0)
    check(nn.Conv2d(16, 32, 3, groups=16), torch.randn(1, 16, 8, 8), convolutions=0)
    check(nn.Conv2d(16, 16, 3, padding=1), torch.randn(1, 16, 8, 8), convolutions=0, products="library")
    check(nn.Conv2d(16, 16, 3, padding=1).bfloat16(), torch.randn(1, 16, 8, 8).bfloat16(), convolutions=0)


def test_a_changed_weight_is_seen():
    conv = nn.Conv2d(16, 64, 3, padding=1).eval()
    compiled = braze.compile(conv, freeze=True, products="own")
    x = torch.randn(1, 16, 9, 9)
    with torch.no_grad():
        for _ in range(CALLS):
            before = compiled(x)
        conv.weight.mul_(2)
        conv.bias.zero_()
        after = compiled(x)
        assert_close(after, F.conv2d(x, conv.weight, conv.bias, padding=1))
        assert not torch.equal(before, after)
