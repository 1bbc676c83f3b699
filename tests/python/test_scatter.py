"""Writes to computed positions, compiled, are rounded and ordered as eager's."""

import pytest
import torch
from outcomes import COMPILED
from run_both import outcome_like_eager

pytestmark = pytest.mark.usefixtures("entries_always_used")

CALLS = {
    "scatter_add": lambda x, i, v: x.scatter_add(0, i, v),
    "index_add": lambda x, i, v: x.index_add(0, i[:, 0], v),
    "index_put": lambda x, i, v: x.index_put((i[:, 0],), v, accumulate=True),
    "index_copy": lambda x, i, v: x.index_copy(0, i[:, 0], v),
    "sum": lambda x, i, v: x.scatter_reduce(0, i, v, "sum"),
    "sum of the rest": lambda x, i, v: x.scatter_reduce(0, i, v, "sum", include_self=False),
    "product": lambda x, i, v: x.scatter_reduce(0, i, v, "prod"),
    "largest": lambda x, i, v: x.scatter_reduce(0, i, v, "amax"),
    "product of rows": lambda x, i, v: x.index_reduce(0, i[:, 0], v, "prod"),
}


@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16, torch.float16, torch.int32))
@pytest.mark.parametrize("name", CALLS)
def test_several_writes_to_one_place(name, dtype):
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(5, 40, generator=generator) * 3).to(dtype)
    values = (torch.randn(7, 40, generator=generator) * 3).to(dtype)
    positions = torch.randint(0, 5, (7, 40), generator=generator)
    with torch.no_grad():
        assert outcome_like_eager(CALLS[name], x, positions, values, ulps=0) == COMPILED
