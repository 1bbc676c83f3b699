"""A bug inside braze costs the user no call: the function answers, and braze.explain says what went wrong."""

import pytest
import torch

import braze
from braze.tracing import rehearsal, session


class Broken(Exception):
    pass


def breaks(*args, **kwargs):
    raise Broken("on purpose")


def reasons(compiled):
    return {refusal.reason for refusal in braze.explain(compiled).report.refusals}


@pytest.mark.parametrize("part", ["snapshot", "ArgumentMemory", "capture", "publish"])
def test_on_the_way_to_an_entry(part, monkeypatch):
    monkeypatch.setattr(session, part, breaks)
    calls = []

    def f(x):
        calls.append(len(x))
        return x * 2

    compiled = braze.compile(f)
    x = torch.randn(4)
    for _ in range(100):
        assert torch.equal(compiled(x), x * 2)
    assert len(calls) == 100 and not compiled.handler.entries
    assert reasons(compiled) & {"internal", "side_effect"}


def test_before_any_call_for_ever(monkeypatch):
    """Such a callable is left alone before long."""
    attempts = []

    def breaks_and_counts(*args):
        attempts.append(1)
        raise Broken

    monkeypatch.setattr(session, "ArgumentMemory", breaks_and_counts)
    compiled = braze.compile(lambda x: x * 2)
    for _ in range(200):
        compiled(torch.ones(4))
    assert len(attempts) <= session.WASTED_TRACES
    assert "internal" in reasons(compiled)


def selected(x, mask):
    return torch.relu(x[mask] * 2 + 1).sum(0)


@pytest.mark.parametrize("part", ["ArgumentMemory", "results_of"])
@pytest.mark.parametrize("check", ["shadow", "rehearse"])
def test_of_an_entry_that_is_checked(check, part, monkeypatch, entries_always_used):
    generator = torch.Generator().manual_seed(0)
    compiled = braze.compile(selected)

    def arguments():
        return torch.randn(400, 64, generator=generator), torch.rand(400, generator=generator) > 0.3

    while not compiled.handler.entries:
        compiled(*arguments())
    monkeypatch.setattr(rehearsal, part, breaks)
    x, mask = arguments()
    got = getattr(compiled.handler, check)(compiled.handler.entries[0].entry, (x, mask), {})
    assert torch.equal(got, selected(x, mask))
    assert not compiled.handler.entries and "internal" in reasons(compiled)


def test_exceptions_of_the_function_stay_its_own(monkeypatch):
    monkeypatch.setattr(session, "snapshot", breaks)
    compiled = braze.compile(lambda x: x.view(3))
    for _ in range(4):
        with pytest.raises(RuntimeError, match="shape"):
            compiled(torch.ones(4))
