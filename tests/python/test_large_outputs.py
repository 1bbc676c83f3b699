"""Outputs of many megabytes: their memory is used again once nobody holds it, and never before; results at odd addresses."""

import gc
import pickle

import pytest
import torch
from torch.nn import functional as F

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")
ELEMENTS = 5 << 20  # 20 MB of float32: stored past the caches


def doubled():
    compiled = braze.compile(lambda x: x * 2 + 1)
    x = torch.arange(ELEMENTS, dtype=torch.float32)
    for _ in range(4):
        compiled(x)
    assert braze.explain(compiled).report.entries[0].state == "compiled"
    return compiled, x


def test_results_that_are_held_stay_what_they_were():
    compiled, x = doubled()
    results = [compiled(x + n) for n in range(4)]
    assert len({result.data_ptr() for result in results}) == 4
    for n, result in enumerate(results):
        assert torch.equal(result, (x + n) * 2 + 1)


def test_memory_that_nobody_holds_is_used_again():
    compiled, x = doubled()
    first = compiled(x)
    place = first.data_ptr()
    del first
    assert compiled(x + 1).data_ptr() == place


@pytest.mark.parametrize(
    "hold", [lambda y: y[5:9], lambda y: y.numpy(), lambda y: y.untyped_storage(), lambda y: y.view(-1, 2).t()]
)
def test_whatever_holds_the_memory_keeps_it(hold):
    compiled, x = doubled()
    result = compiled(x)
    place = result.data_ptr()
    held = hold(result)
    del result
    gc.collect()
    assert compiled(x + 7).data_ptr() != place
    if isinstance(held, torch.Tensor):
        assert float(held.flatten()[0]) == float(hold(x * 2 + 1).flatten()[0])


def test_outputs_are_ordinary_tensors():
    compiled, x = doubled()
    for change in (
        lambda y: y.resize_(3),
        lambda y: y.resize_(ELEMENTS + 100)[:ELEMENTS],
        lambda y: y.share_memory_(),
        lambda y: pickle.loads(pickle.dumps(y)),
        lambda y: y.clone(),
        lambda y: y.set_(y.untyped_storage(), 4, (10,)),
        lambda y: torch._lazy_clone(y).add_(1),
    ):
        assert torch.equal(change(compiled(x)), change(x * 2 + 1))
    result = compiled(x)
    clone = torch._lazy_clone(result)
    result.add_(1)
    assert torch.equal(clone, x * 2 + 1)
    assert torch.equal(result, x * 2 + 2)


def test_several_threads_at_a_time():
    import concurrent.futures

    compiled, x = doubled()

    def work(n):
        return all(torch.equal(compiled(x + n + k), (x + n + k) * 2 + 1) for k in range(3))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int8, torch.bool])
def test_every_dtype_and_place(dtype):
    """Rows that begin at whole cache lines and rows that do not, written to memory at any address."""
    torch.manual_seed(0)

    def into(out, x):
        out.copy_(torch.where(x > 0, x, -x) if dtype.is_floating_point else ~x)
        return out

    for columns in (4096, 4095):
        rows = (17 << 20) // (columns * dtype.itemsize) + 1
        x = (torch.randn(rows, columns) * 3).to(dtype)
        for offset in (0, 1, 16):
            memory, expected = (torch.zeros(rows * columns + offset, dtype=dtype) for _ in range(2))
            compiled = braze.compile(into)
            for _ in range(4):
                compiled(memory[offset:].view(rows, columns), x)
            into(expected[offset:].view(rows, columns), x)
            assert torch.equal(memory, expected)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(4099, 1030), (1200, 4096), (70, 65536)])
def test_norms_and_softmax_of_large_tensors(shape, threads):
    torch.manual_seed(0)
    x, weight = torch.randn(shape), torch.randn(shape[-1])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for function in (
            lambda x, weight: torch.softmax(x, -1),
            lambda x, weight: F.layer_norm(x, shape[-1:], weight),
            lambda x, weight: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight,
            lambda x, weight: x.t().contiguous(),
            lambda x, weight: (x - x.amax(0)).exp(),
        ):
            compiled = braze.compile(function)
            for _ in range(4):
                result = compiled(x, weight)
            torch.testing.assert_close(result, function(x, weight), rtol=1e-5, atol=1e-5)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("isa", "more"), [("", 0), ("", 77), ("avx2", 1), ("baseline", 16)])
def test_long_chains_of_any_length(isa, more):
    """Whole turns of several vectors, and what is left of them."""
    torch.manual_seed(0)
    x, y = torch.randn(ELEMENTS + more), torch.randn(ELEMENTS + more)

    def chain(x, y):
        return torch.sigmoid((torch.tanh(x * 2 + y) - y).abs() * x + 1) * y - x

    compiled = braze.compile(chain, isa=isa)
    for _ in range(4):
        result = compiled(x, y)
    torch.testing.assert_close(result, chain(x, y), rtol=2e-6, atol=2e-6)
    few = braze.compile(chain, isa=isa)
    for _ in range(4):
        last = few(x[-100:], y[-100:])
    assert torch.equal(result[-100:], last)


def test_an_index_out_of_range_behind_the_last_whole_turn():
    table = torch.arange(1000, dtype=torch.float32)
    index = torch.arange(ELEMENTS + 5) % 1000
    compiled = braze.compile(lambda table, index: table[index] * 2)
    for _ in range(4):
        assert torch.equal(compiled(table, index), table[index] * 2)
    index[-1] = 1000
    with pytest.raises(IndexError):
        compiled(table, index)


@pytest.mark.parametrize("isa", ["", "avx2", "baseline"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_transposes_and_column_sums_of_large_tensors(dtype, isa):
    torch.manual_seed(0)
    rows = (17 << 20) // (1030 * dtype.itemsize) + 3
    x = (torch.randn(rows, 1030) * 3).to(dtype)
    compiled = braze.compile(lambda x: x[:, 5:1029].t().contiguous(), isa=isa)
    for _ in range(3):
        result = compiled(x)
    assert torch.equal(result, x[:, 5:1029].t())
    compiled = braze.compile(lambda x: (x.sum(0), x.amin(0)), isa=isa)
    for _ in range(3):
        sums, least = compiled(x)
    assert torch.equal(least, x.amin(0))
    exact = x.double().sum(0)
    assert ((sums.double() - exact).abs() <= exact.abs() * 2.0**-8 * (dtype == torch.bfloat16) + 1e-2).all()


@pytest.mark.parametrize("isa", ["", "avx2", "baseline"])
def test_halves_are_rounded_as_eager_rounds_them(isa):
    """Ties, denormal numbers, overflow to infinity, and NaN with any bits, alone and on the way through more arithmetic."""
    patterns = [0, 1, 0x7FFF, 0x8000, 0x8001, 0x18000, 0x17FFF, 0x7FFFFF, 0x800000, 0x3F808000, 0x3F818000, 0x7F7F7FFF]
    patterns += [0x7F7F8000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7F80FFFF, 0x7FC00000, 0x7FFF8000, 0x7FFFFFFF]
    bits = torch.tensor(patterns + [pattern - 2**31 for pattern in patterns], dtype=torch.int32)
    x = bits.repeat(3)[:107].view(torch.float32)
    for function in (
        lambda x: x.bfloat16(),
        lambda x: x.bfloat16().float(),
        lambda x: x.bfloat16() * 1.5 + x.bfloat16(),
    ):
        compiled = braze.compile(function, isa=isa)
        for _ in range(4):
            result = compiled(x)
        expected = function(x)
        assert torch.equal(result.isnan(), expected.isnan())
        integers = torch.int16 if expected.dtype == torch.bfloat16 else torch.int32
        numbers = ~expected.isnan()
        assert torch.equal(result[numbers].view(integers), expected[numbers].view(integers))


def test_softmax_of_rows_far_apart():
    """Shares down to denormal numbers, rows of one infinity, of NaN, and of nothing but -inf."""
    torch.manual_seed(0)
    x = torch.randn(64, 515) * torch.logspace(-3, 2, 64)[:, None]
    x[3, 7], x[4, 9], x[5] = float("inf"), float("nan"), float("-inf")
    x[6, 1:] = float("-inf")
    compiled = braze.compile(lambda x: torch.softmax(x, -1))
    for _ in range(4):
        result = compiled(x)
    expected = torch.softmax(x.double(), -1)
    assert torch.equal(result.isnan(), expected.isnan())
    numbers = ~expected.isnan()
    below = (x.amax(-1, keepdim=True) - x).nan_to_num().clamp(max=200).double()  # rounded when it is subtracted
    allowed = expected * (2.0**-21 + below * 2.0**-23) + 2.0**-148
    assert ((result.double() - expected).abs() <= allowed)[numbers].all()


def test_exponentials_that_vanish():
    """Results from normal numbers over denormal ones to 0, and what is no number."""
    x = torch.cat(
        [torch.linspace(-110, -80, 4001), torch.tensor([float("-inf"), float("inf"), float("nan"), -3e38, -0.0])]
    )
    compiled = braze.compile(torch.exp)
    for _ in range(4):
        result = compiled(x)
    expected = torch.exp(x.double())
    assert torch.equal(result.isnan(), expected.isnan())
    assert ((result.double() - expected).abs()[: len(x) - 5] <= 2 * 2.0**-149 + expected[: len(x) - 5] * 2.0**-22).all()
    assert result[-5:-3].tolist() == [0.0, float("inf")]
    assert result[-2:].tolist() == [0.0, 1.0]
