"""Attention in kernels of ours: as close to the exact result as eager's, laid out as eager's, whatever is masked."""

import itertools
import math

import pytest
import torch
from outcomes import faults
from torch import nn
from torch.nn import functional as F

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")
# batch, heads, rows, keys, depth; blocks of rows, panels of keys and tiles end in every way
SIZES = (
    (1, 1, 2, 2, 2),
    (2, 3, 17, 17, 16),
    (1, 2, 1, 130, 64),
    (3, 1, 5, 64, 33),
    (1, 2, 64, 65, 8),
    (1, 2, 131, 70, 40),
    (2, 2, 197, 197, 64),
    (1, 1, 300, 20, 96),
    (1, 1, 16, 200, 130),
)


def tensors(batch, heads, rows, keys, depth, dtype=torch.float32, columns=None):
    torch.manual_seed(0)
    shapes = (rows, depth), (keys, depth), (keys, columns or depth)
    return tuple(torch.randn(batch, heads, *shape).to(dtype) for shape in shapes)


def exact(query, key, value, mask=None, causal=False, scale=None):
    """In double precision; a row that sees nothing is 0."""
    query, key, value = query.double(), key.double(), value.double()
    scores = query @ key.transpose(-1, -2) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask.double()
    return torch.softmax(scores, -1).nan_to_num(0) @ value


def compiled(function):
    return braze.compile(function, products="own")


def report_of(ours):
    (entry,) = braze.explain(ours).report.entries
    return entry


def check(function, *args, wanted, own=True):
    """The compiled function is as close to `wanted` as eager is, in eager's layout."""
    ours = compiled(function)
    with torch.no_grad():
        expected = function(*args)
        for _ in range(4):
            result = ours(*args)
    error, eager_error = ((t.double() - wanted).abs().max().item() for t in (result, expected))
    assert error <= max(2 * eager_error, 2e-6), (error, eager_error)
    assert result.dtype == expected.dtype
    assert result.stride() == expected.stride()
    assert not faults(ours), faults(ours)
    assert (report_of(ours).extern_calls == 0) == own, repr(braze.explain(ours))


@pytest.mark.parametrize("sizes", SIZES)
def test_sizes(sizes):
    args = tensors(*sizes)
    check(F.scaled_dot_product_attention, *args, wanted=exact(*args))


@pytest.mark.parametrize("sizes", [sizes for sizes in SIZES if sizes[2] > 1])
def test_causal(sizes):
    args = tensors(*sizes)

    def causal(query, key, value):
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)

    check(causal, *args, wanted=exact(*args, causal=True))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks(sizes, kind):
    batch, heads, rows, keys, _ = sizes
    args = tensors(*sizes)
    for shape in itertools.product((1, batch), (1, heads), (1, rows), (keys,)):
        mask = torch.rand(shape) < 0.7
        mask[..., 0] = True
        if kind == "float":
            mask = torch.randn(shape).masked_fill(~mask, -math.inf)

        def masked(query, key, value, mask):
            return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

        check(masked, *args, mask, wanted=exact(*args, mask=mask))


def test_rows_that_see_nothing_are_as_in_eager():
    query, key, value = tensors(1, 2, 9, 150, 16)
    mask = torch.zeros(9, 150)
    mask[2] = -math.inf
    mask[3, :70] = -math.inf
    mask[4, 70:] = -math.inf

    def masked(query, key, value, mask):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

    check(masked, query, key, value, mask, wanted=exact(query, key, value, mask=mask))


def test_scores_that_are_far_apart_or_no_numbers():
    query, key, value = tensors(1, 1, 12, 140, 8)
    query[0, 0, 1] *= 1e4
    query[0, 0, 2, 3] = math.nan
    key[0, 0, 139] *= 300
    with torch.no_grad():
        expected = F.scaled_dot_product_attention(query, key, value)
        ours = compiled(F.scaled_dot_product_attention)
        for _ in range(4):
            result = ours(query, key, value)
    assert report_of(ours).extern_calls == 0
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5, equal_nan=True)
    assert torch.equal(result.isnan(), expected.isnan())


@pytest.mark.parametrize("scale", [0.0, 1.0, 0.3, -2.0])
def test_scale(scale):
    args = tensors(1, 2, 20, 30, 16)

    def scaled(query, key, value):
        return F.scaled_dot_product_attention(query, key, value, scale=scale)

    check(scaled, *args, wanted=exact(*args, scale=scale))


def test_layouts():
    """Heads that lie beside one another, parts of one projection, and memory that is read the other way round."""
    torch.manual_seed(0)
    packed = torch.randn(2, 50, 3 * 4 * 32)

    def heads(packed):
        parts = packed.view(2, 50, 3, 4, 32).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(*parts.unbind(0)).transpose(1, 2).reshape(2, 50, 128)

    parts = packed.view(2, 50, 3, 4, 32).permute(2, 0, 3, 1, 4)
    check(heads, packed, wanted=exact(*parts.unbind(0)).transpose(1, 2).reshape(2, 50, 128))


def test_keys_that_all_heads_share():
    query, key, value = tensors(2, 4, 24, 40, 16)
    key, value = key[:, :1].expand(2, 4, 40, 16), value[:, :1].expand(2, 4, 40, 16)
    check(F.scaled_dot_product_attention, query, key, value, wanted=exact(query, key, value))


@pytest.mark.parametrize("kind", ["all keys", "causal", "masked"])
@pytest.mark.parametrize("rows", [1, 3, 24, 150])
def test_grouped_heads(rows, kind):
    query, key, value = tensors(2, 8, rows, 150, 16)
    key, value = key[:, :2].contiguous(), value[:, :2].contiguous()
    mask = torch.randn(2, 8, rows, 150) if kind == "masked" else None

    def grouped(query, key, value):
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=kind == "causal", enable_gqa=True
        )

    repeated = (x.repeat_interleave(4, 1) for x in (key, value))
    wanted = exact(query, *repeated, mask=mask, causal=kind == "causal")
    check(grouped, query, key, value, wanted=wanted, own=(rows, kind) != (1, "causal"))


def test_a_cache_that_is_written_in_place():
    def step(query, key, value, keys, values, position):
        keys[:, :, position] = key[:, :, 0]
        values[:, :, position] = value[:, :, 0]
        return F.scaled_dot_product_attention(query, keys[:, :, : position + 1], values[:, :, : position + 1])

    query, key, value = tensors(1, 4, 1, 1, 32)
    caches = [torch.zeros(1, 4, 140, 32) for _ in range(4)]
    ours = compiled(step)
    with torch.no_grad():
        for cache in caches:
            cache[:, :, :128] = torch.randn(1, 4, 128, 32)
        caches[2:] = [cache.clone() for cache in caches[:2]]
        for _ in range(4):
            expected = step(query, key, value, *caches[:2], 128)
            result = ours(query, key, value, *caches[2:], 128)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=2e-6)
    assert torch.equal(caches[0], caches[2])
    assert torch.equal(caches[1], caches[3])
    assert report_of(ours).extern_calls == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("causal", [False, True])
def test_half_types(dtype, causal):
    args = tensors(1, 3, 70, 90, 32, dtype)

    def attend(query, key, value):
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal)

    check(attend, *args, wanted=exact(*args, causal=causal))


def test_what_is_left_to_pytorch():
    double = tuple(x.double() for x in tensors(1, 2, 8, 8, 16))
    check(F.scaled_dot_product_attention, *double, wanted=exact(*double), own=False)
    one_key = tensors(1, 2, 8, 1, 16)
    check(F.scaled_dot_product_attention, *one_key, wanted=exact(*one_key), own=False)


def test_no_rows_and_no_keys():
    for rows, keys in ((0, 5), (5, 0)):
        args = tensors(1, 2, rows, keys, 8)
        ours = compiled(F.scaled_dot_product_attention)
        with torch.no_grad():
            expected = F.scaled_dot_product_attention(*args)
            for _ in range(4):
                result = ours(*args)
        torch.testing.assert_close(result, expected, equal_nan=True)


def test_gradients_are_pytorchs():
    args = tuple(x.requires_grad_() for x in tensors(1, 2, 12, 14, 8))
    ours = compiled(F.scaled_dot_product_attention)
    for _ in range(4):
        gradients = torch.autograd.grad(ours(*args).sum(), args)
    expected = torch.autograd.grad(F.scaled_dot_product_attention(*args).sum(), args)
    for gradient, wanted in zip(gradients, expected):
        torch.testing.assert_close(gradient, wanted)


def test_a_whole_layer():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, norm_first=True).eval()
    ours = compiled(layer)
    x = torch.randn(2, 33, 64)
    with torch.no_grad():
        expected = layer.double()(x.double())
        layer.float()
        for _ in range(4):
            result = ours(x)
    torch.testing.assert_close(result.double(), expected, rtol=1e-4, atol=1e-5)
    assert report_of(ours).extern_calls == 0, repr(braze.explain(ours))


@pytest.mark.parametrize("turned", [False, True])
def test_measured_choice_is_right(turned):
    args = tensors(2, 4, 64, 64, 32)
    if turned:
        args = tuple(x.transpose(1, 2).contiguous().transpose(1, 2) for x in args)
    ours = braze.compile(F.scaled_dot_product_attention)
    with torch.no_grad():
        expected = F.scaled_dot_product_attention(*args)
        for _ in range(4):
            result = ours(*args)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=2e-6)
    assert report_of(ours).kernel_launches + report_of(ours).extern_calls == 1
