"""Calls that differ in sizes: every result is eager's, and where sizes are only sizes one entry serves them all."""

import dataclasses
import math
import random
import resource
import threading
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from eager_equality import Observer, attempt, differences
from torch import nn

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")

LENGTHS = list(range(2, 61))
FEW = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 17, 23, 31, 40]


@dataclasses.dataclass
class Case:
    """A function of tensors whose sizes follow from one number. `plain`: three traces must do for all sizes."""

    name: str
    function: Callable
    make: Callable
    sizes: list[int]
    plain: bool = True
    grad: bool = False

    def __repr__(self):
        return self.name


def frozen(module):
    return module.eval().requires_grad_(False)


def rows(width):
    return lambda n: (torch.randn(n, width),)


def columns(height):
    return lambda n: (torch.randn(height, n),)


torch.manual_seed(0)
MLP = frozen(nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16), nn.LayerNorm(16)))
TRAINABLE_MLP = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)).eval()
ENCODER = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
CONV = frozen(
    nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
)
STRIDED = frozen(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2)))
EMBEDDING = frozen(nn.Embedding(50, 16))
POSITIONS = torch.randn(64, 16)
SCALES = [1.0, 2.0, 3.0]


class Attention(nn.Module):
    def __init__(self, width=16, heads=4):
        super().__init__()
        self.heads = heads
        self.projection = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.projection(x).chunk(3, dim=-1)
        q, k, v = (t.view(batch, length, self.heads, width // self.heads).transpose(1, 2) for t in (q, k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(later, float("-inf")).softmax(-1)
        return self.output((weights @ v).transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.before = nn.LayerNorm(16)
        self.attention = Attention()
        self.between = nn.LayerNorm(16)
        self.mlp = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16))

    def forward(self, x):
        x = x + self.attention(self.before(x))
        return x + self.mlp(self.between(x))


BLOCK = frozen(Block())


def fused_attention(x):
    batch, length, width = x.shape
    q = x.view(batch, length, 4, width // 4).transpose(1, 2)
    return F.scaled_dot_product_attention(q, q, q, is_causal=True).transpose(1, 2).reshape(batch, length, width)


def embedded(tokens):
    return EMBEDDING(tokens) + POSITIONS[: tokens.shape[1]]


def by_branch(x):
    return x * 2 if x.shape[0] > 8 else x + 1


def by_parity(x):
    return x.view(2, -1) * 2 if x.shape[0] % 2 == 0 else x + 1


def in_a_loop(x):
    total = torch.zeros_like(x[0])
    for i in range(x.shape[0]):
        total = total + x[i] * i
    return total


def over_rows(x):
    return torch.stack([row * 2 for row in x])


def two_halves(x):
    middle = x.shape[0] // 2
    return torch.cat([x[middle:], x[:middle]])


def written_argument(x):
    x.add_(1)
    return x * 2


def written_slice(x):
    y = x * 1
    y[:, 1 : x.shape[1] // 2 + 1] = 0
    return y


def gathered(x):
    positions = torch.arange(x.shape[0] - 1, -1, -1)
    return x[positions] + x.flip(0)


def last_row(x):
    return x[x.shape[0] - 1] * 2, x[-1]


def views(x):
    return x[1:], x.t(), x.view(-1), x


def text(x):
    return x * len(f"{x.shape[0]}")


def statistics(x):
    return x.softmax(0), x.mean(0), x.var(0), x.sum(0) / x.shape[0], x.std(), x.amax(0), x.argmax(0), x.cumsum(0)


def with_dropout(x):
    return F.dropout(x, 0.3) + torch.rand(x.shape[0], 4) + torch.randn_like(x)


def images(n):
    return (torch.randn(2, 3, n + 10, n + 13),)


CASES = [
    Case("block", lambda x: BLOCK(x), lambda n: (torch.randn(2, n, 16),), LENGTHS),
    Case("encoder layer", lambda x: ENCODER(x), lambda n: (torch.randn(2, n, 16),), LENGTHS),
    Case("mlp", lambda x: MLP(x), rows(16), LENGTHS),
    Case("mlp with trainable weights", lambda x: TRAINABLE_MLP(x), rows(16), LENGTHS),
    Case("fused attention", fused_attention, lambda n: (torch.randn(2, n, 16),), FEW),
    Case("embedding", embedded, lambda n: (torch.randint(0, 50, (3, n)),), LENGTHS),
    Case("statistics", statistics, rows(4), FEW[1:]),
    Case("other axis", lambda x: (x.softmax(1), x.mean(1), x.var(1), x.norm(dim=1)), columns(4), FEW[1:]),
    Case("both axes", lambda x: x.softmax(-1) @ x.t() + x.sum(), lambda n: (torch.randn(n, n + 3),), FEW),
    Case("cat", lambda x, y: torch.cat([x, y]) * 2, lambda n: (torch.randn(n, 4), torch.randn(n + 1, 4)), FEW),
    Case(
        "growing cache",
        lambda x, y: torch.cat([x, y], 1).sum(1),
        lambda n: (torch.randn(2, n, 4), torch.randn(2, 1, 4)),
        LENGTHS,
    ),
    Case("pad", lambda x: F.pad(x, (1, 2)) + 1, columns(4), FEW),
    Case("pad to", lambda x: F.pad(x, (0, 64 - x.shape[1])) + 1, columns(4), FEW),
    Case("slice that clamps", lambda x: x[:, :8] * 2, columns(2), FEW, plain=False),
    Case("slice", lambda x: x[:, 1:] - x[:, :-1], columns(2), FEW[2:]),
    Case("slice from the end", lambda x: x[-3:] * 2 + x.shape[0], rows(4), FEW[2:]),
    Case("branch", by_branch, rows(4), FEW, plain=False),
    Case("parity", by_parity, lambda n: (torch.randn(n),), FEW, plain=False),
    Case("loop over a size", in_a_loop, rows(4), [2, 3, 4, 5, 6], plain=False),
    Case("loop over rows", over_rows, rows(4), [2, 3, 4, 5, 6], plain=False),
    Case("list index", lambda x: x * SCALES[x.shape[0] % 3], rows(4), FEW, plain=False),
    Case("int", lambda x: x * int(x.shape[0]), rows(4), FEW, plain=False),
    Case("square root", lambda x: x / math.sqrt(x.shape[-1]), columns(4), FEW, plain=False),
    Case("square root of a fixed size", lambda x: x / math.sqrt(x.shape[-1]), rows(4), FEW),
    Case("text", text, rows(4), FEW, plain=False),
    Case("reshape", lambda x: x.reshape(x.shape[0] * 2, -1).relu() + 1, rows(6), FEW),
    Case("flatten", lambda x: x.flatten(1).sigmoid(), lambda n: (torch.randn(3, n, 4),), FEW),
    Case("numel", lambda x: x / x.numel() + len(x), rows(6), FEW, plain=False),
    Case("arange", lambda x: x + torch.arange(x.shape[1]), columns(3), FEW),
    Case(
        "mask",
        lambda x: x.masked_fill(torch.ones(x.shape[0], x.shape[0]).tril() == 0, 0.0),
        lambda n: (torch.randn(n, n),),
        FEW,
    ),
    Case("where", lambda x: torch.where(x > 0, x, x.new_zeros(x.shape)), rows(5), FEW),
    Case("index", gathered, rows(4), FEW),
    Case("last row", last_row, rows(4), FEW),
    Case("halves", two_halves, rows(4), FEW, plain=False),
    Case("written slice", written_slice, columns(4), FEW, plain=False),
    Case("views", views, rows(4), FEW[1:]),
    Case("written argument", written_argument, rows(4), FEW, plain=False),
    Case("argument returned", lambda x: (x, x * 2, x), rows(4), FEW),
    Case("random numbers", with_dropout, rows(4), FEW),
    Case("size returned", lambda x: (x * 2, x.shape[0]), rows(4), FEW, plain=False),
    Case("transposed", lambda x: x.softmax(0) * 2, lambda n: (torch.randn(5, n).t(),), FEW),
    Case("strided", lambda x: (x * 2).sum(1), lambda n: (torch.randn(n, 8)[:, ::2],), FEW),
    Case("offset", lambda x: x * 2, lambda n: (torch.randn(n + 3, 8)[3:],), FEW),
    Case(
        "of a larger buffer",
        lambda x: x * 2,
        lambda n: (torch.randn(64, 8)[:, :n] if n < 8 else torch.randn(n, 8),),
        FEW,
        plain=False,
    ),
    Case("expanded", lambda x: x + 1, lambda n: (torch.randn(1, 4).expand(n, 4),), FEW),
    Case(
        "channels last",
        lambda x: CONV(x),
        lambda n: (torch.randn(2, 3, n + 2, n + 2).to(memory_format=torch.channels_last),),
        FEW[2:],
        plain=False,
    ),
    Case("convolution", lambda x: CONV(x), images, FEW),
    Case("strided convolution", lambda x: STRIDED(x), images, FEW, plain=False),
    Case("interpolate", lambda x: F.interpolate(x, scale_factor=2.0) + 1, images, FEW),
    Case("chunks", lambda x: torch.cat(x.chunk(3)[::-1]) * 2, rows(3), FEW + [59, 58, 57, 56, 55], plain=False),
    Case("einsum", lambda x: torch.einsum("bic,bjc->bij", x, x), lambda n: (torch.randn(2, n, 4),), FEW),
    Case("half precision", lambda x: (x * 2).softmax(-1), lambda n: (torch.randn(3, n).bfloat16(),), FEW),
    Case("integers", lambda x: x * 3 // 2 + x.shape[0], lambda n: (torch.randint(0, 9, (n, 3)),), FEW),
    Case("zero and one", lambda x: x.sum(0) + x.shape[0], rows(4), [0, 1, 2, 3, 1, 0, 5, 4], plain=False),
    Case("squeezed", lambda x: x[2:].squeeze() * 2, rows(3), [3, 4, 5, 6, 2, 8], plain=False),
    Case(
        "keywords in containers",
        lambda batch: batch["x"] * 2 + batch["y"][0],
        lambda n: ({"x": torch.randn(n, 3), "y": [torch.randn(n, 1)]},),
        FEW,
    ),
    Case(
        "equal by chance",
        lambda x, y: (x.sum(0) * y.sum(0), x.shape[0] == y.shape[0]),
        lambda n: (torch.randn(n, 3), torch.randn(n if n < 10 else n + 1, 3)),
        FEW,
        plain=False,
    ),
    Case("needs gradients", lambda x: TRAINABLE_MLP(x), rows(16), FEW, plain=False, grad=True),
]


def seeded(case, size):
    generator_state = torch.get_rng_state()
    torch.manual_seed(size)
    arguments = case.make(size)
    torch.set_rng_state(generator_state)
    return arguments


def observed(observer, function, arguments):
    result = attempt(function, *arguments)
    return observer.observe([result, arguments]), torch.get_rng_state().sum().item()


def run(case, function, sizes):
    torch.manual_seed(0)
    observer = Observer()
    with torch.set_grad_enabled(case.grad):
        return [observed(observer, function, seeded(case, size)) for size in sizes]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_every_size_gives_what_eager_gives(case):
    sizes = case.sizes * 2
    random.Random(1).shuffle(sizes)
    sizes += case.sizes
    compiled = braze.compile(case.function)
    expected, got = run(case, case.function, sizes), run(case, compiled, sizes)
    for size, (want, want_state), (have, have_state) in zip(sizes, expected, got):
        complaints = list(differences(want, have))
        assert not complaints, f"size {size}: {complaints[:3]}\n{braze.explain(compiled)}"
        assert want_state == have_state, f"size {size}: the generator is in another state"
    report = braze.explain(compiled).report
    assert not [refusal for refusal in report.refusals if refusal.reason in ("internal", "proof")]
    if case.plain:
        assert report.static_sizes == ()
        entries = report.entries  # a size that is met twice before the third one has an entry of its own
        assert sum(bool(entry.sizes) for entry in entries) == 1, braze.explain(compiled)
        assert len(entries) <= 3, braze.explain(compiled)


@pytest.mark.parametrize("case", [case for case in CASES if case.plain], ids=repr)
def test_three_sizes_are_traced(case):
    sizes = [size for size in case.sizes]
    random.Random(2).shuffle(sizes)
    compiled = braze.compile(case.function)
    with torch.no_grad():
        for size in sizes:
            compiled(*seeded(case, size))
    assert compiled.counters["misses"] == 3, braze.explain(compiled)


def test_the_path_decides():
    compiled = braze.compile(by_branch)
    with torch.no_grad():
        for size in (10, 11, 12, 13, 14):
            compiled(torch.ones(size))
        for size in (3, 4, 5, 6, 7):
            assert torch.equal(compiled(torch.ones(size)), torch.full((size,), 2.0))
        for size in (8, 9):
            assert torch.equal(compiled(torch.ones(size)), by_branch(torch.ones(size)))
    report = braze.explain(compiled).report
    assert sorted(entry.path for entry in report.entries) == [("(s0 > 8)",), ("not (s0 > 8)",)]


def test_dynamic_can_be_switched_off():
    compiled = braze.compile(lambda x: x * 2, dynamic=False)
    for size in (2, 3, 4) * 3:
        compiled(torch.ones(size))
    report = braze.explain(compiled).report
    assert [entry.sizes for entry in report.entries] == ["", "", ""]


def test_explain_shows_the_sizes():
    compiled = braze.compile(lambda x: x * 2)
    for size in (4, 6, 8, 10):
        compiled(torch.ones(size, 3))
    text = repr(braze.explain(compiled))
    assert "args[0]: float[s0, 3]" in text
    assert "for sizes s0 from 4 to" in text


def test_explain_says_why_sizes_stay_static():
    compiled = braze.compile(lambda x: x * int(x.shape[0]))
    for size in (4, 6, 8):
        compiled(torch.ones(size, 3))
    assert "each size has its own entry: Python takes another way at (s0 == 6)" in repr(braze.explain(compiled))


def test_changed_weights_and_state_are_seen():
    layer = nn.Linear(4, 4).requires_grad_(False)
    settings = {"scale": 2.0}
    function = lambda x: layer(x) * settings["scale"]  # noqa: E731
    compiled = braze.compile(function)
    for size in (3, 5, 7, 9):
        compiled(torch.ones(size, 4))
    layer.weight.data.mul_(2)
    assert torch.allclose(compiled(torch.ones(11, 4)), function(torch.ones(11, 4)))
    settings["scale"] = 3.0
    assert torch.allclose(compiled(torch.ones(13, 4)), function(torch.ones(13, 4)))
    layer.weight = nn.Parameter(torch.ones(4, 4), requires_grad=False)
    assert torch.allclose(compiled(torch.ones(15, 4)), function(torch.ones(15, 4)))


def test_state_that_differs_between_sizes_is_no_size():
    """What changes together with a size is not taken for it."""
    settings = {"scale": 3}
    function = lambda x: x * settings["scale"]  # noqa: E731
    compiled = braze.compile(function)
    for size in (3, 5, 7, 9, 11, 13):
        settings["scale"] = size
        assert torch.equal(compiled(torch.ones(size)), torch.full((size,), float(size)))
    for size in (3, 5, 15, 17):
        assert torch.equal(compiled(torch.ones(size)), torch.full((size,), 13.0))


class RememberingSizes(nn.Module):
    def __init__(self):
        super().__init__()
        self.length = 0

    def forward(self, x):
        self.length = x.shape[0]
        return x * 2


def test_sizes_put_away_stay_numbers():
    module = RememberingSizes()
    compiled = braze.compile(module)
    for size in (4, 6, 6, 8, 8, 4, 10, 10, 10):
        module.length = size
        assert torch.equal(compiled(torch.ones(size)), torch.full((size,), 2.0))
        assert type(module.length) is int
        assert module.length == size


def test_growing_table():
    """A cache that grows with the size is grown by eager, never by a look at other sizes."""

    class Rotary(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.arange(8.0)

        def forward(self, x):
            if x.shape[0] > self.table.shape[0]:
                self.table = torch.arange(float(2 * x.shape[0]))
            return x + self.table[: x.shape[0]]

    module, plain = Rotary(), Rotary()
    compiled = braze.compile(module)
    for size in (3, 4, 5, 6, 7, 20, 21, 22, 23, 39, 60, 61, 3, 4):
        assert torch.equal(compiled(torch.ones(size)), plain(torch.ones(size)))
        assert torch.equal(module.table, plain.table)


def test_errors_are_eagers():
    compiled = braze.compile(lambda x: x.view(4, -1) + POSITIONS[: x.shape[0], :4].sum())
    for size in (4, 8, 12, 16, 20):
        compiled(torch.ones(size))
    for size in (5, 6, 18):
        with pytest.raises(RuntimeError, match="invalid for input"):
            compiled(torch.ones(size))
    compiled = braze.compile(lambda x: x + POSITIONS[: x.shape[0]])
    for size in (4, 8, 12, 16, 20, 64):
        compiled(torch.ones(size, 16))
    with pytest.raises(RuntimeError, match="must match"):
        compiled(torch.ones(70, 16))


def test_two_arguments_that_stop_being_equal():
    compiled = braze.compile(lambda x, y: x.sum(0) + y.sum(0))
    for a, b in [(3, 3), (5, 5), (7, 7), (9, 9), (3, 5), (6, 2), (9, 4), (8, 3), (12, 2), (5, 5)]:
        x, y = torch.randn(a, 3), torch.randn(b, 3)
        assert torch.allclose(compiled(x, y), x.sum(0) + y.sum(0), atol=1e-5)


def test_slower_entries_are_not_used():
    braze.options.trial = True
    compiled = braze.compile(lambda x: MLP(x))
    with torch.no_grad():
        for size in range(2, 40):
            x = torch.randn(size, 16)
            assert torch.allclose(compiled(x), MLP(x), atol=1e-5)
    assert all(entry.state in ("compiled", "slower") for entry in braze.explain(compiled).report.entries)


def test_threads_with_sizes_of_their_own():
    compiled = braze.compile(lambda x: BLOCK(x))
    inputs = {size: torch.randn(2, size, 16) for size in range(2, 42)}
    wrong = []
    with torch.no_grad():
        expected = {size: BLOCK(x) for size, x in inputs.items()}
        for size in (5, 9, 12):
            compiled(inputs[size])

    def work(seed):
        sizes = list(inputs) * 3
        random.Random(seed).shuffle(sizes)
        with torch.no_grad():
            wrong.extend(
                size for size in sizes if not torch.allclose(compiled(inputs[size]), expected[size], atol=1e-4)
            )

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_memory_stays_small_over_many_sizes():
    compiled = braze.compile(lambda x: MLP(x))
    with torch.no_grad():
        for size in range(2, 100):
            compiled(torch.randn(size, 16))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for size in range(100, 1100):
            compiled(torch.randn(size, 16))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50 * 1024, f"{grown} KiB"
    assert len(compiled.entries) == 1
