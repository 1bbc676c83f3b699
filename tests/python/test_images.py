"""Pooling and convolutions, compiled, equal eager's for every way a window can be cut and memory can be laid out."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")
LAYOUTS = (torch.contiguous_format, torch.channels_last)
INFINITY = float("inf")


def images(*shape, dtype=torch.float32, layout=torch.contiguous_format):
    """Small whole numbers with both zeros, infinities and NaN among them: ties and special values in many windows."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(-3, 4, shape, generator=generator).to(dtype)
    if dtype.is_floating_point:
        special = torch.rand(shape, generator=generator)
        for number, below in ((-0.0, 0.2), (-INFINITY, 0.05), (INFINITY, 0.03), (float("nan"), 0.01)):
            x = torch.where(special < below, torch.full_like(x, number), x)
    return x.contiguous(memory_format=layout)


def compiled_like_eager(function, *args, kernels=True, exact=True):
    with torch.no_grad():
        expected = function(*args)
        compiled = braze.compile(function)
        for _ in range(4):
            got = compiled(*args)
            assert got.dtype == expected.dtype and got.stride() == expected.stride()
            if exact:
                torch.testing.assert_close(got, expected, rtol=0, atol=0, equal_nan=True)
                assert torch.equal(got.signbit() & (got == 0), expected.signbit() & (expected == 0))
            else:
                torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    (entry,) = braze.explain(compiled).report.entries
    assert bool(entry.kernels) == kernels
    return entry


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64, torch.bfloat16, torch.int64))
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "ceil"),
    [
        (2, 2, 0, 1, False),
        (3, 2, 1, 1, False),
        (3, 1, 1, 1, False),
        (3, 2, 0, 1, True),
        (3, 2, 1, 1, True),
        (2, 1, 1, 3, False),
        ((1, 4), (2, 3), (0, 2), 1, False),
        ((3, 2), (1, 2), (1, 0), (2, 1), True),
    ],
)
def test_max_pool2d(kernel, stride, padding, dilation, ceil, dtype, layout):
    x = images(2, 5, 11, 13, dtype=dtype, layout=layout)
    compiled_like_eager(lambda x: F.max_pool2d(x, kernel, stride, padding, dilation, ceil), x)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64, torch.bfloat16))
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "ceil", "counts_padding", "divisor"),
    [
        (2, 2, 0, False, True, None),
        (3, 2, 1, False, True, None),
        (3, 2, 1, False, False, None),
        (3, 1, 1, False, True, 7),
        (3, 2, 0, True, False, None),
        ((1, 4), (2, 3), (0, 2), False, True, None),
        ((2, 3), None, 0, False, True, None),
    ],
)
def test_avg_pool2d(kernel, stride, padding, ceil, counts_padding, divisor, dtype, layout):
    x = images(2, 5, 11, 13, dtype=dtype, layout=layout)
    compiled_like_eager(lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil, counts_padding, divisor), x)


def test_images_without_a_batch_and_other_dims():
    compiled_like_eager(lambda x: F.max_pool2d(x, 3, 2, 1), images(5, 9, 9))
    compiled_like_eager(lambda x: F.max_pool3d(x, 2), images(2, 3, 4, 6, 8))
    compiled_like_eager(lambda x: F.avg_pool3d(x, 2), images(2, 3, 4, 6, 8))


def test_windows_of_a_view():
    compiled_like_eager(lambda x: F.max_pool2d(x[:, 1:, ::2, 3:], 2), images(2, 5, 12, 13))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), [(2, 2, 0, 1), (3, 2, 1, 1), (3, 1, 0, 2)])
def test_where_the_maxima_are(kernel, stride, padding, dilation, layout):
    x = images(2, 5, 11, 13, layout=layout)
    compiled_like_eager(lambda x: F.max_pool2d(x, kernel, stride, padding, dilation, return_indices=True)[1], x)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", (1, 3, 5, (7, 4), (14, 15)))
def test_adaptive_pools(size, layout):
    x = torch.randn(2, 5, 14, 15).contiguous(memory_format=layout)
    compiled_like_eager(lambda x: F.adaptive_max_pool2d(x, size), x)
    compiled_like_eager(lambda x: F.adaptive_avg_pool2d(x, size), x, exact=False)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", ((28, 30), (20, 11), (14, 45)))
def test_resampling(size, layout):
    x = images(2, 5, 14, 15, layout=layout)
    compiled_like_eager(lambda x: F.interpolate(x, size=size, mode="nearest"), x)
    compiled_like_eager(lambda x: F.interpolate(x, size=size, mode="nearest-exact"), x)
    y = torch.randn(2, 5, 14, 15).contiguous(memory_format=layout)
    ours = layout is torch.contiguous_format  # with channels innermost, PyTorch's own kernel is faster
    for corners in (False, True):
        resize = lambda y: F.interpolate(y, size=size, mode="bilinear", align_corners=corners)  # noqa: E731, B023
        compiled_like_eager(resize, y, kernels=ours, exact=False)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ("reflect", "replicate"))
@pytest.mark.parametrize("pad", ((1, 1, 1, 1), (3, 0, 0, 2), (0, 4, 0, 0)))
def test_pads_of_the_image_itself(pad, mode, layout):
    x = images(2, 5, 9, 7, layout=layout)
    compiled_like_eager(lambda x: F.pad(x, pad, mode=mode), x)


def test_pools_that_pytorch_runs():
    x = images(2, 5, 14, 14)
    compiled_like_eager(lambda x: F.max_pool2d(x, 13, 1, 6), x, kernels=False)  # too many windows are cut
    compiled_like_eager(lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), x, kernels=False)


def test_a_pool_as_an_output_and_an_argument_written_after_it():
    def pool_and_write(x):
        pooled = F.max_pool2d(x, 2)
        x.add_(1)
        return pooled

    compiled = braze.compile(pool_and_write)
    with torch.no_grad():
        x, y = images(1, 3, 8, 8), images(1, 3, 8, 8)
        for _ in range(4):
            torch.testing.assert_close(compiled(x), pool_and_write(y), rtol=0, atol=0, equal_nan=True)
            torch.testing.assert_close(x, y, rtol=0, atol=0, equal_nan=True)


CONVOLUTIONS = [
    nn.Conv2d(3, 16, 3, padding=1),
    nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=4, bias=False),
    nn.Conv2d(16, 24, 1),
    nn.Conv2d(24, 24, 5, padding=4, dilation=2, groups=24),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16))
def test_convolutions_and_what_stands_between_them(dtype, layout):
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolutions = nn.ModuleList(CONVOLUTIONS)
            self.norm = nn.BatchNorm2d(24)

        def forward(self, x):
            for convolution in self.convolutions[:3]:
                x = F.relu(convolution(x))
            x = self.norm(x)
            x = F.max_pool2d(x + self.convolutions[3](x), 3, 2, 1)
            return x, x.mean((2, 3)), x.transpose(1, 3)

    net = Net().to(dtype).eval()
    x = torch.randn(2, 3, 40, 40).to(dtype).contiguous(memory_format=layout)
    compiled = braze.compile(net)
    with torch.no_grad():
        expected = net.forward(x)
        for _ in range(5):
            for got, wanted in zip(compiled(x), expected, strict=True):
                assert got.stride() == wanted.stride()
                tolerance = 1e-4 if dtype is torch.float32 else 4e-2
                torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance)


def test_weights_of_convolutions_on_channels_last_are_read_anew():
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 32, 3, padding=1)
    compiled = braze.compile(convolution)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for step in range(6):
            torch.testing.assert_close(compiled(x), F.conv2d(x, convolution.weight, convolution.bias, padding=1))
            convolution.weight.mul_(1.5)
            if step == 3:
                convolution.weight.data = torch.randn(32, 3, 3, 3)


@pytest.mark.parametrize("dtype", (torch.bfloat16, torch.float16))
@pytest.mark.parametrize(("mode", "dims"), [("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3)])
def test_halves_are_interpolated_as_eager_rounds_them(mode, dims, dtype):
    """Kernels but for bilinear ones have weights of half precision."""
    x = torch.randn(2, 3, *[9] * dims, generator=torch.Generator().manual_seed(0)).to(dtype)
    with torch.no_grad():
        compiled = braze.compile(lambda x: F.interpolate(x, size=[13] * dims, mode=mode) * 1)
        for _ in range(4):
            torch.testing.assert_close(compiled(x), F.interpolate(x, size=[13] * dims, mode=mode), rtol=0, atol=0)
