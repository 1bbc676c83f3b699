"""Calls of one kind that take several ways: an entry for each that comes again, and an end to it where none does."""

import pytest
import torch

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")
X = torch.linspace(-2, 2, 16).reshape(2, 8)
MOST_TRACES = 12


def refusals(compiled):
    return {refusal.reason: refusal for refusal in braze.explain(compiled).report.refusals}


@pytest.mark.parametrize("ways", [2, 3, 4])
def test_each_way_has_an_entry(ways):
    """The state decides, and changes before each call."""
    settings = {"power": 1}

    def f(x):
        return (x ** settings["power"]).sum(-1)

    compiled = braze.compile(f)
    for call in range(8 * ways):
        settings["power"] = 1 + call % ways
        assert torch.allclose(compiled(X), f(X))
    report = braze.explain(compiled).report
    assert len(report.entries) == ways and not report.refusals
    misses = compiled.counters["misses"]
    for call in range(2 * ways):
        settings["power"] = 1 + call % ways
        assert torch.allclose(compiled(X), f(X))
    assert compiled.counters["misses"] == misses


@pytest.mark.parametrize("ways", [2, 3])
def test_each_value_that_is_read_has_an_entry(ways):
    def f(x, number):
        return x + 0.5 if number.item() == 0.5 else x * number.item()

    compiled = braze.compile(f)
    for call in range(12 * ways):
        number = torch.tensor(0.5 + call % ways)
        assert torch.equal(compiled(X, number), f(X, number))
    report = braze.explain(compiled).report
    assert len(report.entries) == ways and all(entry.hits > 2 for entry in report.entries)


def test_values_that_never_come_again_cost_few_traces():
    compiled = braze.compile(lambda x, number: x * number.item())
    for call in range(40):
        number = torch.tensor(0.5 + call)
        assert torch.equal(compiled(X, number), X * number)
    assert compiled.counters["misses"] <= MOST_TRACES
    assert refusals(compiled)["unconfirmed"].is_final
    assert braze.explain(compiled).why_not_compiled[0].reason == "unconfirmed"


def test_a_difference_that_guards_do_not_see_is_no_way_of_its_own(monkeypatch):
    """Two programs in turn, in one state and with no value read, have a reason that nobody knows: neither may be an entry."""
    from braze import _C

    turn = [0]
    monkeypatch.setattr(_C.StateGuards, "changed", lambda guards: [])
    monkeypatch.setattr(_C.StateGuards, "check", lambda guards: True)

    def f(x):
        turn[0] += 1
        return x * 2 if turn[0] % 2 else x - 1

    compiled = braze.compile(f)
    for _ in range(20):
        before = turn[0]
        result = compiled(X)
        turn[0] = before
        assert torch.equal(result, f(X))
    assert not braze.explain(compiled).report.entries
    assert refusals(compiled)["unconfirmed"].is_final
