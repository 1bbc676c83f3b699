"""Special functions of narrow dtypes, compiled, are as near to the exact values as a float can be, and raise as eager."""

import pytest
import torch
from outcomes import COMPILED, EXTERN
from run_both import outcome_like_eager
from torch import special

import braze

pytestmark = [pytest.mark.usefixtures("entries_always_used"), pytest.mark.usefixtures("without_gradients")]
INFINITY, NAN = float("inf"), float("nan")
REAL = torch.cat([
    torch.linspace(-9, 9, 1501), torch.logspace(-30, 30, 301), -torch.logspace(-30, 3, 301),
    torch.tensor([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, INFINITY, -INFINITY, NAN]),
])  # fmt: skip
POSITIVE = torch.cat([torch.linspace(0.01, 30, 1501), torch.logspace(-6, 6, 301), torch.tensor([INFINITY, NAN, 0.0])])
FUNCTIONS = {
    "digamma": (torch.digamma, REAL[REAL > -9]), "trigamma": (
        lambda x: torch.polygamma(1, x), POSITIVE),
    "mvlgamma": (
        lambda x: torch.mvlgamma(x, 3), POSITIVE[:-3] + 1.01),
    "erfcx": (special.erfcx, REAL), "log_ndtr": (special.log_ndtr, REAL), "i0": (torch.i0, REAL),
    "i0e": (special.i0e, REAL), "i1": (special.i1, REAL),
    "k0": (special.modified_bessel_k0, REAL), "k1": (special.modified_bessel_k1, REAL),
    "scaled k0": (special.scaled_modified_bessel_k0, REAL), "scaled k1": (special.scaled_modified_bessel_k1, REAL),
}  # fmt: skip


@pytest.fixture
def without_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("name", FUNCTIONS)
def test_near_the_exact_value(name):
    function, x = FUNCTIONS[name]
    exact = function(x.double()).float()
    compiled = braze.compile(lambda x: function(x))
    for _ in range(4):
        got = compiled(x)
    assert not braze.explain(compiled).report.entries[0].externs
    torch.testing.assert_close(got, exact, rtol=3e-7, atol=1e-37, equal_nan=True)


@pytest.mark.parametrize("dtype", (torch.bfloat16, torch.float16, torch.int64, torch.bool))
@pytest.mark.parametrize("name", ("digamma", "i0"))
def test_other_dtypes(name, dtype):
    function, _ = FUNCTIONS[name]
    x = torch.tensor([0, 1, 2, 3, 7]).to(dtype)
    assert outcome_like_eager(lambda x: function(x), x) == COMPILED
    assert outcome_like_eager(lambda x: function(x), torch.linspace(0.1, 0.9, 7, dtype=torch.float64)) == EXTERN


def test_what_eager_refuses():
    outcome_like_eager(lambda x: torch.mvlgamma(x, 3), torch.tensor([0.5, 2.0]))
    outcome_like_eager(lambda x: torch.polygamma(-1, x), torch.tensor([0.5, 2.0]))
    outcome_like_eager(lambda x: torch.polygamma(2, x), torch.tensor([0.5, -2.5, -2.0, 0.0]))


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64))
@pytest.mark.parametrize("function", (torch.asinh, torch.acosh))
def test_area_functions_of_very_large_numbers(function, dtype):
    largest = torch.finfo(dtype).max
    x = torch.tensor([largest, largest**0.5 * 3, largest**0.4, 5.0, 1.0, -largest, -3.0, INFINITY, -INFINITY, NAN] * 5)
    assert outcome_like_eager(lambda x: function(x), x.to(dtype), ulps=2) == COMPILED


def test_running_logsumexp():
    x = torch.tensor([[1.0, 2.0, -INFINITY, 3.0, INFINITY], [-INFINITY, -INFINITY, 0.0, NAN, 1.0]])
    assert outcome_like_eager(lambda x: torch.logcumsumexp(x, 1), x) == COMPILED
    assert outcome_like_eager(lambda x: torch.logcumsumexp(x, 0), x) == COMPILED
