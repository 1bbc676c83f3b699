"""Generated programs whose steps cut, join and count by sizes give at every size what eager gives; others change a
store of the caller's as well, call after call.
"""

import random

import pytest
import torch
import torch.nn.functional as F
from eager_equality import Kept, Observer, attempt, differences, observe
from generated_effects import Generated, Store, values

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")

PROGRAMS = 120  # 0.5 s each
PROGRAMS_WITH_EFFECTS = 120

# Steps take a matrix and a small number and give a matrix, the rows of which depend on the number of rows.
STEPS = {
    "drop the first": lambda y, k: y[k:],
    "drop the last": lambda y, k: y[:-k],
    "keep the first": lambda y, k: y[: 4 * k],
    "second half": lambda y, k: y[y.shape[0] // 2 :],
    "third": lambda y, k: y[y.shape[0] // 3 : 2 * (y.shape[0] // 3) + 1],
    "every k-th": lambda y, k: y[::k],
    "one row": lambda y, k: y.narrow(0, y.shape[0] // (k + 1), 1) + y,
    "a row": lambda y, k: y[y.shape[0] // 2] - y,
    "join": lambda y, k: torch.cat([y, y[:k]]),
    "join halves": lambda y, k: torch.cat([y[len(y) // 2 :], y[: len(y) // 2]]),
    "pad": lambda y, k: F.pad(y, (0, 0, k, 0)),
    "pad to": lambda y, k: F.pad(y, (0, 0, 0, 48 - y.shape[0])),
    "flat and back": lambda y, k: y.reshape(-1).sigmoid().view(y.shape),
    "other rows": lambda y, k: y.reshape(-1, 3),
    "turned": lambda y, k: y.t().contiguous().t() * 2,
    "softmax": lambda y, k: y.softmax(0),
    "centred": lambda y, k: y - 0.5 * y.mean(0, keepdim=True),
    "sums": lambda y, k: y.cumsum(0) / (y.shape[0] + k),
    "pooled": lambda y, k: F.avg_pool1d(y.t()[None], k + 1, k).squeeze(0).t(),
    "a chunk": lambda y, k: y.chunk(k + 1)[-1],
    "a split": lambda y, k: y.split(k + 2)[-1],
    "windows": lambda y, k: y.unfold(0, 3, k).sum(-1),
    "rolled": lambda y, k: y.roll(y.shape[0] // 2, 0),
    "flipped": lambda y, k: y[torch.arange(y.shape[0] - 1, -1, -1)],
    "times rows": lambda y, k: y * y.shape[0] + y.numel() // (k + 1),
    "branch": lambda y, k: y * 2 if y.shape[0] > 5 * k else y - 1,
    "branch on parity": lambda y, k: y * 2 if y.shape[0] % 2 else y - 1,
    "repeated": lambda y, k: y.repeat(2, 1)[k:],
    "each twice": lambda y, k: y.repeat_interleave(2, 0),
    "products": lambda y, k: (y @ y.t()).softmax(-1) @ y,
    "triangle": lambda y, k: y.tril(k),
    "resampled": lambda y, k: F.interpolate(y.t()[None], size=y.shape[0] // 2 + 1).squeeze(0).t(),
    "masked": lambda y, k: y.masked_fill(torch.arange(y.shape[0])[:, None] > 3 * k, 0.0),
    "positions": lambda y, k: y + torch.arange(y.shape[0])[:, None] * k,
    "at most": lambda y, k: y[: min(y.shape[0], 6 * k)],
    "stacked": lambda y, k: torch.stack([y, y + 1]).flatten(0, 1),
    "squeezed": lambda y, k: y[k:].squeeze().reshape(-1, 3) if y.numel() % 3 == 0 else y,
    "random": lambda y, k: y + torch.rand(y.shape[0], 1),
    "written": lambda y, k: (y * 1).index_fill_(0, torch.tensor([0]), 3.0),
    "tensor split": lambda y, k: y.tensor_split(k + 1)[0],
    "diagonal": lambda y, k: y + y.diagonal().sum(),
    "minimum": lambda y, k: torch.minimum(y, y.amin(0) + k),
}


def program(seed):
    chosen = random.Random(seed)
    steps = [(chosen.choice(list(STEPS)), chosen.randint(1, 4)) for _ in range(chosen.randint(1, 4))]

    def run(x):
        y = x * 1.5
        for name, number in steps:
            y = STEPS[name](y, number)
        return y.contiguous() if number > 2 else (y, y.abs().sum(0))

    return run, steps


def result(function, size, seed):
    torch.manual_seed(size)
    x = torch.randn(size, 6)
    torch.manual_seed(seed)
    return observe(attempt(function, x)), torch.get_rng_state().sum().item()


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_generated_program(seed, tally):
    function, steps = program(seed)
    compiled = braze.compile(function)
    sizes = [*range(1, 30), 33, 40, 47, 48] * 2
    random.Random(seed).shuffle(sizes)
    for size in sizes:
        want, want_state = result(function, size, seed)
        have, have_state = result(compiled, size, seed)
        complaints = list(differences(want, have))
        assert not complaints, f"{steps} at {size} of {sizes}: {complaints[:3]}"
        assert want_state == have_state, f"{steps} at {size}"
    report = braze.explain(compiled).report
    assert not [refusal for refusal in report.refusals if refusal.reason in ("internal", "proof")], steps
    tally("generated programs of many sizes", **{"symbolic" if any(e.sizes for e in report.entries) else "static": 1})


def run_with_effects(generated, function):
    """What each call returned and left behind, in the store, in the argument, in the generator."""
    observer, stores, seen = Observer(), {}, []
    for number, (which, rows, n) in enumerate(generated.calls):
        torch.manual_seed(number)
        store = stores.setdefault(which, Store(3 + which))
        x = values(rows, 6)
        observer.before([x, vars(store)])
        result = attempt(function, x, store, n)
        kept = [result, Kept([x]), vars(store), Kept([store.k, store.buffer])]
        seen.append((observer.observe(kept), torch.get_rng_state().sum().item()))
    return seen


@pytest.mark.parametrize("seed", range(PROGRAMS_WITH_EFFECTS))
def test_generated_program_with_effects(seed, tally):
    generated = Generated(seed)
    function = generated.function()
    compiled = braze.compile(function)
    with torch.no_grad():
        expected, got = run_with_effects(generated, function), run_with_effects(generated, compiled)
    for number, ((want, want_state), (have, have_state)) in enumerate(zip(expected, got)):
        complaints = list(differences(want, have))
        assert not complaints, f"{generated} at call {number}, {generated.calls[number]}: {complaints[:3]}"
        assert want_state == have_state, f"{generated} at call {number}"
    report = braze.explain(compiled).report
    assert not [refusal for refusal in report.refusals if refusal.reason in ("internal", "proof")], generated
    symbolic = any(entry.sizes for entry in report.entries)
    tally("generated programs with effects at many sizes", **{"symbolic" if symbolic else "static": 1})
