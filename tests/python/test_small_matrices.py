"""Batches of small matrices, compiled, equal eager's: factorisations, solutions, and what raises or is singular."""

import pytest
import torch
from outcomes import COMPILED, EXTERN
from run_both import outcome_like_eager as run_both

pytestmark = [pytest.mark.usefixtures("entries_always_used"), pytest.mark.usefixtures("without_gradients")]


def outcome_like_eager(function, *args):
    """A factorisation's rounding errors grow with the condition of the matrix."""
    return run_both(function, *args, slack=30)


@pytest.fixture
def without_gradients():
    with torch.no_grad():
        yield


def regular(*shape, dtype=torch.float32):
    """Well-conditioned, and needing exchanges of rows."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(shape, generator=generator, dtype=dtype)
    return (x + 3 * torch.eye(shape[-1], dtype=dtype)).flip(-2)


def positive(*shape, dtype=torch.float32):
    x = regular(*shape, dtype=dtype)
    return x @ x.mT + 2 * torch.eye(shape[-1], dtype=dtype)


SHAPES = [(3, 3), (7, 2, 2), (4, 5, 4, 4), (1, 1), (2, 6, 6)]
DTYPES = (torch.float32, torch.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_of_one_matrix(shape, dtype):
    for function in (torch.linalg.inv, torch.linalg.det, torch.linalg.slogdet, torch.linalg.inv_ex):
        assert outcome_like_eager(lambda x, f=function: f(x), regular(*shape, dtype=dtype)) == COMPILED
        outcome_like_eager(lambda x, f=function: f(x), regular(*shape, dtype=dtype).mT)
    for upper in (False, True):
        for function in (torch.linalg.cholesky, torch.linalg.cholesky_ex):
            given = positive(*shape, dtype=dtype)
            assert outcome_like_eager(lambda x, f=function, u=upper: f(x, upper=u), given) == COMPILED
        factor = torch.linalg.cholesky(positive(*shape, dtype=dtype), upper=upper)
        assert outcome_like_eager(lambda x, u=upper: torch.cholesky_inverse(x, upper=u), factor) == COMPILED


@pytest.mark.parametrize("left", (True, False))
@pytest.mark.parametrize("columns", (1, 3))
def test_solve(left, columns):
    a = regular(5, 4, 4)
    b = torch.randn(5, 4, columns, generator=torch.Generator().manual_seed(2))
    b = b if left else b.mT.contiguous()
    assert outcome_like_eager(lambda a, b: torch.linalg.solve(a, b, left=left), a, b) == COMPILED
    for upper in (True, False):
        for unit in (True, False):
            triangle = torch.triu(a) if upper else torch.tril(a)
            triangle = triangle / 4 + torch.eye(4)
            solved = outcome_like_eager(
                lambda a, b, u=upper, n=unit: torch.linalg.solve_triangular(a, b, upper=u, left=left, unitriangular=n),
                triangle,
                b,
            )
            assert solved == COMPILED


def test_solve_of_vectors_and_broadcast_batches():
    b = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    assert outcome_like_eager(torch.linalg.solve, regular(5, 4, 4), b) == COMPILED
    assert outcome_like_eager(torch.linalg.solve, regular(4, 4), b[0]) == COMPILED
    outcome_like_eager(torch.linalg.solve, regular(4, 4), b.mT)
    outcome_like_eager(torch.linalg.solve, regular(5, 1, 4, 4), torch.stack([b.mT[:, :3]] * 2))
    factor = torch.linalg.cholesky(positive(4, 4))
    for upper, given in ((False, factor), (True, factor.mT.contiguous())):
        assert outcome_like_eager(lambda b, x, u=upper: torch.cholesky_solve(b, x, upper=u), b.mT, given) == COMPILED


def test_singular_matrices():
    x = regular(3, 3, 3)
    x[1, 2] = x[1, 0]
    x[2] = 0
    outcome_like_eager(torch.linalg.det, x)
    outcome_like_eager(torch.linalg.slogdet, x[2:])
    outcome_like_eager(torch.linalg.inv, x[2:])
    outcome_like_eager(torch.linalg.inv_ex, x[2:])
    outcome_like_eager(torch.linalg.solve, x[2:], torch.ones(1, 3, 1))
    outcome_like_eager(lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), x[2:], torch.ones(1, 3, 1))
    outcome_like_eager(torch.linalg.cholesky, -positive(2, 3, 3))
    outcome_like_eager(torch.linalg.cholesky_ex, torch.stack([positive(3, 3), -positive(3, 3)]))


@pytest.mark.parametrize("number", (float("nan"), float("inf")))
def test_infinities(number):
    x = regular(2, 3, 3)
    x[1, 1, 1] = number
    for function in (torch.linalg.inv_ex, torch.linalg.det, torch.linalg.cholesky_ex):
        outcome_like_eager(function, x)


def test_nearly_singular_matrices_are_left_to_eager():
    """Two ways of rounding would give two results."""
    x = regular(2, 4, 4)
    x[1, 3] = x[1, 2] * 2 + 1e-6
    for function in (torch.linalg.inv, torch.linalg.det):
        assert outcome_like_eager(function, x) != COMPILED


def test_larger_matrices_are_left_to_eager():
    assert outcome_like_eager(torch.linalg.inv, regular(9, 9)) == EXTERN
