"""Calls whose sizes follow the values of tensors: results, memory, effects and generators as eager's, whatever sizes come."""

import random

import pytest
import torch
import torch.nn.functional as F
from eager_equality import Kept, Observer, attempt, differences
from torch import nn

import braze
from braze.tracing.staged_call import StagedCall

pytestmark = pytest.mark.usefixtures("entries_always_used")

FUZZED_PROGRAMS = 60


def run(function, calls, grad=False):
    """What each call gives and leaves behind. `calls`: functions that make the arguments."""
    torch.manual_seed(0)
    observer, seen = Observer(), []
    with torch.set_grad_enabled(grad):
        for make in calls:
            args = make()
            observer.before(args)
            result = attempt(function, *args)
            seen.append((observer.observe((result, Kept(args))), torch.get_rng_state().sum().item()))
    return seen


def check(function, calls, grad=False, compiled=None):
    """Compares with eager; returns the compiled callable."""
    calls = list(calls)
    expected = run(function, calls, grad)
    compiled = compiled or braze.compile(function)
    for number, ((want, state), (have, got_state)) in enumerate(zip(expected, run(compiled, calls, grad), strict=True)):
        complaints = differences(want, have)
        assert not complaints, f"call {number}: {complaints[:4]}"
        assert state == got_state, f"call {number}: generator states differ"
    return compiled


def staged(compiled):
    """The staged entries that answered calls."""
    handler = compiled.handler if hasattr(compiled, "handler") else compiled._compiled_call_impl.handler
    found = [published for published in handler.entries if isinstance(published.compiled, StagedCall)]
    return [published for published in found if published.entry.compiled_calls > 0]


def masks(count, shares, rows=40, seed=0):
    """For each share of ones a function that makes (x, mask)."""
    return [
        lambda seed=seed + number, share=share: made(rows, share, seed)
        for number, share in enumerate(shares[i % len(shares)] for i in range(count))
    ]


def made(rows, share, seed):
    generator = torch.Generator().manual_seed(seed)
    x, numbers = torch.randn(rows, 8, generator=generator), torch.rand(rows, generator=generator)
    return x, numbers == numbers.max() if share == "one" else numbers < share


VARIED = (0.5, 0.3, 0.7, 0.6, 0.2)
FUNCTIONS = {
    "boolean index": lambda x, m: (x[m] * 2 + 1).relu().sin(),
    "the index itself": lambda x, m: x[m],
    "nonzero": lambda x, m: (m.nonzero(), m.nonzero().squeeze(1) * 2 + 1),
    "where": lambda x, m: x[torch.where(m)[0]].exp().cumsum(0) - 1,
    "argwhere": lambda x, m: torch.argwhere(x > 0).float().mul(2).add(1),
    "masked select": lambda x, m: (x.masked_select(m[:, None]) * 2).tanh() + 1,
    "unique": lambda x, m: torch.unique((x * 2).round(), return_counts=True),
    "unique, then more": lambda x, m: torch.unique((x * 2).round()).mul(2).sin().add(1),
    "unique rows": lambda x, m: torch.unique_consecutive((x[:, :1]).round(), dim=0).mul(2).add(1),
    "repeat": lambda x, m: x.repeat_interleave(m.long() + 1, 0).mul(3).sub(1).sin(),
    "counts": lambda x, m: torch.bincount((x[m][:, 0] * 4).abs().long()).float().mul(2).add(1),
    "one hot": lambda x, m: F.one_hot((x[:, 0] * 4).abs().long()).float().mul(2).sub(1),
    "masked write": lambda x, m: x.clone().index_put((m,), x[m].sin() * 2 + 1),
    "two cuts": lambda x, m: ((y := x[m] * 2)[y[:, 0] > 0].sin() + 1).relu(),
    "size as a factor": lambda x, m: (x[m].sin() * x[m].shape[0]).relu(),
    "size as a sum": lambda x, m: x[m].sin().sum(0) / max(len(x[m]), 1) + x.mean(0),
    "branch on emptiness": lambda x, m: (x[m] * 2).sin().amax(0) if x[m].numel() > 0 else x.mean(0),
    "branch on size": lambda x, m: (x[m] * 2).sin() if x[m].shape[0] > 20 else (x[m] - 1).cos(),
    "top of the chosen": lambda x, m: x[m][:, 0].topk(min(5, len(x[m])))[0].mul(2).sin(),
    "k from a tensor": lambda x, m: x[:, 0].topk(m.sum().item())[0].mul(2).sin(),
    "slice by a tensor": lambda x, m: x[: m.sum()].mul(2).sin(),
    "size returned": lambda x, m: (x[m].sin().mul(2), len(x[m]) > 100),
    "views of the chosen": lambda x, m: ((y := x[m].sin() * 2), y[:, 2:5], y.t()),
    "the mask and more": lambda x, m: (m, x, x[m].sin() * 2, x[m].t()),
    "squeezed positions": lambda x, m: (
        m.nonzero().squeeze().float() * 2 + 1 if m.nonzero().squeeze().dim() else x.sin() * 2
    ),
    "rank of the squeezed": lambda x, m: x[m].squeeze().sin() * 2 if len(x[m].squeeze().shape) == 2 else x.cos() + 1,
    "dtype of the squeezed": lambda x, m: (
        (x[m].double().sum(1).squeeze() + x[0, 0]).sin() * 2,
        (x[m].double()[:, 0].squeeze() + x[0]).dtype if m.sum() == 1 else None,
    ),
    "itself where it is contiguous": lambda x, m: (y := x[m].t()).contiguous().add_(1) * 2 + y,
    "split": lambda x, m: torch.split(x.sin() * 2, [int(m.sum()), len(m) - int(m.sum())])[0] + 1,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sizes_that_vary(name):
    check(FUNCTIONS[name], masks(14, VARIED))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sizes_that_vary_on_trial(name, monkeypatch):
    monkeypatch.setattr(braze.options, "trial", True)
    check(FUNCTIONS[name], masks(14, VARIED))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_one_and_all(name):
    check(FUNCTIONS[name], masks(18, (0.5, 0.0, 0.3, 1.0, "one", 0.6)))


@pytest.mark.parametrize("name", ["boolean index", "where", "two cuts", "unique, then more", "repeat", "masked select"])
def test_one_entry_answers_all_sizes(name):
    compiled = check(FUNCTIONS[name], masks(12, VARIED))
    (entry,) = staged(compiled)
    assert entry.entry.compiled_calls >= 8 and entry.entry.declined_calls == 0


def test_one_size_is_an_ordinary_entry_that_checks_it():
    function = FUNCTIONS["boolean index"]
    same = [
        lambda shift=shift: (torch.ones(40, 8) * shift, torch.arange(40) % 3 == shift % 3) for shift in range(1, 9, 3)
    ]
    compiled = check(function, same * 3)
    assert len(compiled.handler.entries) == 1 and not staged(compiled)
    check(function, same + masks(8, VARIED), compiled=compiled)
    assert len(compiled.handler.entries) == 1 and staged(compiled)


def test_another_state_is_no_other_way_of_the_values():
    """A number is read and stays the same; what changes is a setting, so each setting has an ordinary entry."""
    settings = {"scale": 1.0}

    def function(x, mask):
        return x * settings["scale"] if mask.all() else x - 1

    compiled = braze.compile(function)
    for settings["scale"] in (1.0, 2.0, 3.0):
        check(function, [lambda: (torch.ones(40, 8), torch.ones(40, dtype=torch.bool))] * 4, compiled=compiled)
    assert len(compiled.handler.entries) == 3
    assert not [entry for entry in compiled.handler.entries if isinstance(entry.compiled, StagedCall)]


def test_a_size_that_nothing_reads_is_still_checked():
    def function(x, m):
        count = x[m].shape[0]
        return x[:count] * 2 + 1

    check(function, [lambda: made(40, 1.0, 0)] * 4 + masks(8, (0.3, 0.5)))


class Head(nn.Module):
    """A detection head: scores, a threshold, boxes, non-maximum suppression, the best of what is left."""

    def __init__(self):
        super().__init__()
        self.scores, self.boxes = nn.Linear(16, 1), nn.Linear(16, 4)

    def forward(self, features):
        from torchvision.ops import nms

        scores = self.scores(features).sigmoid().squeeze(1)
        boxes = self.boxes(features).exp().cumsum(1)
        kept = torch.where(scores > 0.5)[0]
        boxes, scores = boxes[kept], scores[kept]
        chosen = nms(boxes, scores, 0.5)[:10]
        if chosen.numel() == 0:
            return {"boxes": boxes, "scores": scores}
        return {"boxes": boxes[chosen] * 2 + 1, "scores": scores[chosen].sqrt() + 1}


def test_detection_head():
    pytest.importorskip("torchvision")
    torch.manual_seed(0)
    head = Head().eval()
    eager = [
        lambda seed=seed: (torch.randn(60, 16, generator=torch.Generator().manual_seed(seed)),) for seed in range(16)
    ]
    expected = run(head, eager)
    compiled = run(braze.compile(head), eager)
    for (want, _), (have, _) in zip(expected, compiled, strict=True):
        assert not differences(want, have)
    assert not staged(head)  # rounding may reorder scores
    (refusal,) = braze.explain(head).report.refusals
    assert refusal.reason == "data_dependent" and "torchvision::nms" in refusal.detail


class Expert(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return self.down(F.silu(self.up(x)))


class Mixture(nn.Module):
    """Experts that get the tokens routed to them, none at some calls."""

    def __init__(self, width=16, experts=6, skips_empty=False):
        super().__init__()
        self.gate = nn.Linear(width, experts)
        self.experts = nn.ModuleList(Expert(width) for _ in range(experts))
        self.skips_empty = skips_empty

    def forward(self, x):
        flat = x.reshape(-1, x.shape[-1])
        weights, chosen = self.gate(flat).softmax(-1).topk(2, -1)
        out = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            token, place = torch.where(chosen == number)
            if self.skips_empty and token.numel() == 0:
                continue
            out.index_add_(0, token, expert(flat[token]) * weights[token, place, None])
        return out.view_as(x)


@pytest.mark.parametrize("skips_empty", [False, True])
def test_mixture_of_experts(skips_empty):
    torch.manual_seed(0)
    net = nn.Sequential(Mixture(skips_empty=skips_empty), nn.LayerNorm(16), Mixture(skips_empty=skips_empty)).eval()
    calls = [
        lambda seed=seed: (torch.randn(1, 7, 16, generator=torch.Generator().manual_seed(seed)),) for seed in range(24)
    ]
    expected = run(net, calls)
    got = run(braze.compile(net), calls)
    for (want, _), (have, _) in zip(expected, got, strict=True):
        assert not differences(want, have)
    assert staged(net)
    if not skips_empty:
        stages = net._compiled_call_impl.handler.value_sizes.stages
        assert len(stages) < 8, "the experts' stages are shared"


def test_stages_take_weights_that_have_attributes():
    net = Mixture().eval()
    for weight in net.parameters():
        weight.is_initialised = True
    calls = [
        lambda seed=seed: (torch.randn(1, 7, 16, generator=torch.Generator().manual_seed(seed)),) for seed in range(24)
    ]
    expected = run(net, calls)
    for (want, _), (have, _) in zip(expected, run(braze.compile(net), calls), strict=True):
        assert not differences(want, have)
    stages = net._compiled_call_impl.handler.value_sizes.stages.values()
    assert stages and all(stage.handler.entries and not stage.handler.refusals for stage in stages)


def test_arguments_vary_in_size_as_well():
    calls = [
        lambda rows=rows, seed=seed: made(rows, 0.5, seed)
        for seed, rows in enumerate([40, 40, 30, 30, 50, 60, 33, 1, 1, 0, 71])
    ]
    check(FUNCTIONS["two cuts"], calls)
    check(FUNCTIONS["size as a sum"], calls)


def test_one_entry_answers_all_sizes_of_arguments():
    rows = [40, 40, 30, 50, 60, 33, 71, 28, 90]
    calls = [lambda rows=rows, seed=seed: made(rows, 0.5, seed) for seed, rows in enumerate(rows)]
    compiled = check(FUNCTIONS["two cuts"], calls)
    (entry,) = staged(compiled)
    assert entry.entry.compiled_calls == 6
    written = check(lambda x, m: x.mul_(2).add_(1)[m].sin() * x.shape[0] + 1, calls)
    assert staged(written)


def test_an_integer_argument_is_no_size():
    calls = [
        lambda rows=rows, seed=seed: (*made(rows, 0.5, seed), rows // 10)
        for seed, rows in enumerate([40, 40, 40, 30, 50, 40, 60])
    ]
    check(lambda x, m, k: x[m].sin() * 2 + k, calls)


def test_inputs_written_before_and_after_the_cut():
    def before(x, m):
        x.mul_(2).add_(1)
        return x[m].sin() * 2 + x.sum()

    def after(x, m):
        y = x[m].sin() * 2
        x.add_(y.sum())
        x[m] = y
        return y * 2 + 1

    for function in (before, after, lambda x, m: (before(x, m), after(x, m))):
        compiled = check(function, masks(12, VARIED))
        assert staged(compiled)


def test_a_call_that_takes_another_way_half_way_leaves_nothing_behind():
    def function(x, m):
        noise = torch.rand(4)
        x.add_(1)
        y = x[m].sin() * 2 + noise.sum()
        if y.shape[0] > 20:
            return y - 1
        x.mul_(2)
        return y.cos() + torch.rand(3).sum()

    check(function, masks(16, (0.3, 0.8, 0.2, 0.4, 0.7)))


def test_exceptions_are_eagers_and_leave_what_eager_leaves():
    def function(x, m):
        x.add_(1)
        y = x[m].sin() * 2
        return y.view(2, -1).add(1).mul(2)  # no half of an odd size

    check(function, masks(14, VARIED))


def test_effects_and_generators_after_the_cut():
    def function(x, m, cache):
        y = x[m].sin() * 2 + torch.randn(8)
        cache.append(y)
        return F.dropout(y, 0.5) + 1

    calls = [lambda call=call: (*call(), []) for call in masks(12, VARIED)]
    assert staged(check(function, calls))


def test_autocast_and_inference_mode():
    weight = torch.randn(8, 8)
    for context in (lambda: torch.autocast("cpu", torch.bfloat16), torch.inference_mode):
        with context():
            check(lambda x, m: torch.relu(x[m] @ weight).mul(2) + 1, masks(12, VARIED))

    def inside(x, m):
        with torch.autocast("cpu", torch.bfloat16):
            y = x[m] @ weight
        return y.float().sin() * 2

    check(inside, masks(12, VARIED))


def test_gradient_mode_inside_a_call():
    def function(x, m):
        with torch.no_grad():
            y = x[m].sin() * 2
        return y + 1, torch.is_grad_enabled()

    check(function, masks(12, VARIED), grad=True)


def test_masks_among_the_weights_and_weights_that_are_replaced():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mask", torch.arange(40) % 2 == 0)
            self.weight = nn.Parameter(torch.ones(8))

        def forward(self, x):
            return (x[self.mask] * self.weight).sin() * 2

    def world(compile):
        torch.manual_seed(0)
        net, seen = Gate(), []
        compile(net)
        for i in range(24):
            if i % 6 == 0:
                net.mask.copy_(torch.rand(40) < 0.5)
            if i == 15:
                net.weight = nn.Parameter(torch.ones(8) * 2)
            if i == 19:
                net.weight.mul_(3)
            seen.append(net(torch.ones(40, 8) * i).clone())
        return seen

    with torch.no_grad():
        for want, have in zip(world(lambda net: None), world(braze.compile), strict=True):
            torch.testing.assert_close(have, want)


def test_sizes_that_never_settle_end_in_eager_calls():
    def function(x, m):
        return x * 2 + sum(range(int(m.sum())))

    compiled = check(function, [lambda n=n: (torch.ones(64), torch.arange(64) < n) for n in range(64)])
    assert compiled.counters["misses"] < 40


STEPS = {
    "choose": lambda y, k: y[y[:, 0] > k / 4 - 0.5],
    "drop": lambda y, k: y[y.sum(1) < k + 1],
    "positions": lambda y, k: y[(y[:, k % 3] > 0).nonzero().squeeze(1)],
    "double": lambda y, k: y.sin() * 2 + k / 4,
    "centre": lambda y, k: y - y.sum(0) / (y.shape[0] + k),
    "repeat": lambda y, k: y.repeat_interleave((y[:, 0] > 0).long() * (k % 2) + 1, 0),
    "unique": lambda y, k: torch.unique(y.mul(2).round(), dim=0),
    "head": lambda y, k: y[: 4 * k + 2],
    "halve": lambda y, k: y[: y.shape[0] // 2 + 1],
    "branch": lambda y, k: y * 2 if y.shape[0] > 4 * k else y - 1,
    "empty": lambda y, k: y + 1 if y.numel() == 0 else y * 1.5,
    "write": lambda y, k: y.clone().masked_fill_(y > 1, 0.5),
    "put": lambda y, k: y.index_put((y[:, 0] > 0,), torch.tensor(0.25)),
    "join": lambda y, k: torch.cat([y, y[y[:, 1] > 0]]),
    "softmax": lambda y, k: y.softmax(1),
    "noise": lambda y, k: y + torch.rand(y.shape[0], 1),
    "scatter": lambda y, k: torch.zeros(50, 3).index_add_(0, torch.arange(y.shape[0]).clamp(max=49), y),
    "sort": lambda y, k: y.sort(0)[0],
}


@pytest.mark.parametrize("seed", range(FUZZED_PROGRAMS))
def test_generated_programs(seed, tally):
    choose = random.Random(seed)
    steps = [
        (name, STEPS[name], choose.randrange(1, 4)) for name in choose.choices(sorted(STEPS), k=choose.randrange(3, 8))
    ]

    def program(x, bias):
        y = x + bias
        for _, step, k in steps:
            y = step(y, k)
        return y, y * 2

    def call(rows, seed):
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(rows, 3, generator=generator), torch.randn(3, generator=generator)

    rows = [24, 24, 24, 24, 24, 31, 31, 24, 9, 40, 24, 24]
    compiled = check(program, [lambda rows=rows, seed=seed: call(rows, seed) for seed, rows in enumerate(rows)])
    tally("generated programs of sizes that follow values", **{"staged" if staged(compiled) else "not staged": 1})
