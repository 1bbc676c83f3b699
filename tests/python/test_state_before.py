"""The Python state of a call that is about to begin: guards that still hold stand for a walk, and only those."""

import torch

import braze
from braze.tracing import session

SCALE = torch.tensor(2.0)


def walks_of(monkeypatch):
    walks, snapshot = [], session.snapshot
    monkeypatch.setattr(session, "snapshot", lambda *args: walks.append(1) or snapshot(*args))
    return walks


def test_state_that_still_holds_is_not_walked_again(monkeypatch):
    walks, x = walks_of(monkeypatch), torch.randn(4)
    compiled = braze.compile(lambda x: x * SCALE, trial=False)
    for _ in range(4):
        torch.testing.assert_close(compiled(x), x * SCALE)
    assert len(walks) == 1
    assert len(braze.explain(compiled).report.entries) == 1


def test_state_that_changed_between_calls_is_walked_again(monkeypatch):
    walks, x = walks_of(monkeypatch), torch.randn(4)
    compiled = braze.compile(lambda x: x * SCALE, trial=False)
    compiled(x)
    monkeypatch.setitem(globals(), "SCALE", torch.tensor(3.0))
    for _ in range(4):
        torch.testing.assert_close(compiled(x), x * 3.0)
    assert len(walks) > 1
    monkeypatch.setitem(globals(), "SCALE", torch.tensor(4.0))
    torch.testing.assert_close(compiled(x), x * 4.0)


def test_an_argument_that_becomes_one_of_the_state(monkeypatch):
    """Between the first call and the second: the program is another one then."""
    weight = torch.ones(3)

    def add(x):
        x.add_(1)
        return x * weight

    compiled = braze.compile(add, trial=False)
    compiled(torch.zeros(3))
    for call in range(4):
        torch.testing.assert_close(compiled(weight), (weight.clone()) ** 2)
        torch.testing.assert_close(weight, torch.full((3,), 2.0 + call))
    fresh = torch.zeros(3)
    torch.testing.assert_close(compiled(fresh), weight)
    torch.testing.assert_close(fresh, torch.ones(3))
