"""Sorting along a short dim, compiled, equals eager: which of equal elements come first, NaN, both zeros, every dtype."""

import pytest
import torch
from outcomes import COMPILED, EXTERN, VIEW
from run_both import outcome_like_eager

pytestmark = [pytest.mark.usefixtures("entries_always_used"), pytest.mark.usefixtures("without_gradients")]
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int16, torch.uint8)
NAN, INFINITY = float("nan"), float("inf")


def ties(*shape, dtype=torch.float32, special=True):
    """Few numbers often, with NaN, infinities and both zeros among them."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(0, 4, shape, generator=generator).to(dtype)
    if dtype.is_floating_point and special:
        share = torch.rand(shape, generator=generator)
        for number, below in ((-0.0, 0.3), (-INFINITY, 0.15), (INFINITY, 0.1), (NAN, 0.05)):
            x = torch.where(share < below, torch.full_like(x, number), x)
    return x


def distinct(*shape, dtype=torch.float32):
    count = torch.Size(shape).numel()
    return torch.randperm(count, generator=torch.Generator().manual_seed(5)).reshape(shape).to(dtype) - count / 2


@pytest.fixture
def without_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("dtype", DTYPES + (torch.bool,))
@pytest.mark.parametrize("descending", (False, True))
@pytest.mark.parametrize(("shape", "dim"), [((40, 7), 1), ((6, 30), 0), ((3, 5, 4), -2), ((9,), 0), ((2, 1), 1)])
def test_sort(shape, dim, descending, dtype):
    x = ties(*shape, dtype=dtype)
    assert outcome_like_eager(lambda x: torch.sort(x, dim=dim, descending=descending), x, ulps=0) == COMPILED


@pytest.mark.parametrize("dtype", (torch.float32, torch.int32))
@pytest.mark.parametrize(
    "relaid", [lambda x: x.t().contiguous().t(), lambda x: x[:, 1:7:2], lambda x: x[:1].expand(9, 8)]
)
def test_sort_of_other_layouts(relaid, dtype):
    x = relaid(ties(12, 8, dtype=dtype))
    assert outcome_like_eager(lambda x: torch.argsort(x, dim=1, stable=True), x) == COMPILED


def test_sort_of_one_number_and_of_none():
    assert outcome_like_eager(lambda x: torch.sort(x)[0] * 2, torch.tensor(3.0)) == COMPILED
    assert outcome_like_eager(lambda x: torch.sort(x), torch.empty(0, 4)) == VIEW


def test_long_sort_is_left_to_eager():
    assert outcome_like_eager(lambda x: torch.sort(x), ties(3, 100)) == EXTERN


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("largest", (True, False))
@pytest.mark.parametrize(("size", "k"), [(8, 2), (16, 1), (5, 5), (40, 2)])
def test_values_of_topk(size, k, largest, dtype):
    x = ties(30, size, dtype=dtype, special=False)
    assert outcome_like_eager(lambda x: torch.topk(x, k, largest=largest)[0] * 1, x, ulps=0) == COMPILED


@pytest.mark.parametrize("largest", (True, False))
def test_which_of_equal_numbers_topk_takes(largest):
    """Only eager knows."""
    x = ties(50, 8)
    assert outcome_like_eager(lambda x: torch.topk(x, 3, largest=largest), x, ulps=0) == EXTERN


@pytest.mark.parametrize("name", ("kthvalue", "median", "nanmedian"))
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_of_the_order(name, dtype):
    arguments = (3,) if name == "kthvalue" else ()
    function = getattr(torch, name)
    for x in (distinct(20, 7, dtype=dtype), ties(30, 8, dtype=dtype, special=False)):
        assert outcome_like_eager(lambda x: function(x, *arguments, dim=1)[0] * 1, x, ulps=0) == COMPILED
        assert outcome_like_eager(lambda x: function(x, *arguments, dim=1), x, ulps=0) == EXTERN
    x = ties(40, 7, dtype=dtype)
    outcome_like_eager(lambda x: function(x, *arguments, dim=1, keepdim=True)[0] * 1, x, ulps=0)
    x = torch.where(x == 0, torch.ones_like(x), x)  # no zeros of both signs
    assert outcome_like_eager(lambda x: function(x, *arguments, dim=1)[0] * 1, x, ulps=0) == COMPILED


@pytest.mark.parametrize("function", (torch.median, torch.nanmedian))
@pytest.mark.parametrize("x", [distinct(9), distinct(2, 3), torch.tensor([1.0, NAN, 3.0]), torch.tensor([NAN, NAN])])
def test_median_of_all(function, x):
    assert outcome_like_eager(lambda x: function(x) + 1, x) == COMPILED


def test_zeros_of_both_signs():
    for x in (torch.tensor([[-0.0, 0.0, -1.0], [0.0, -0.0, 1.0]]), torch.tensor([[0.0, 1.0, 2.0], [-0.0, 3.0, 4.0]])):
        for function in (lambda x: torch.median(x, 1)[0] * 1, lambda x: torch.topk(x, 2)[0] * 1):
            outcome_like_eager(function, x, ulps=0)
