"""Argument specs: what a later call must have in the place of each argument, and what may differ."""

import collections
import gc
import types
import weakref

import pytest
import torch
from torch import nn

from braze import _C

Point = collections.namedtuple("Point", "x y")
T = torch.arange(12.0).reshape(3, 4)


def spec_of(*args, **kwargs):
    spec = _C.ArgumentSpec.build(args, kwargs)
    assert isinstance(spec, _C.ArgumentSpec), spec
    assert spec.check(args, kwargs), spec.explain(args, kwargs)
    return spec


@pytest.mark.parametrize(
    ("recorded", "same"),
    [
        (T, T + 1),
        (T, torch.arange(24.0)[12:].reshape(3, 4)),
        (1, 1),
        (10**30, 10**30),
        (float("nan"), float("nan")),
        ("text" * 3, "".join(["text"] * 3)),
        ((1, (T, "a")), (1, (T * 2, "a"))),
        ([T, 2], [T, 2]),
        ({"a": T, "b": None}, {"a": T, "b": None}),
        (Point(T, 1), Point(T, 1)),
        (slice(1, None), slice(1, None)),
        (torch.Size([2, 3]), torch.Size([2, 3])),
        (torch.device("cpu"), torch.device("cpu")),
    ],
)
def test_matches(recorded, same):
    assert spec_of(recorded).check((same,), {})


@pytest.mark.parametrize(
    ("recorded", "other"),
    [
        (T, T.double()),
        (T, T[:2]),
        (T, T.t().contiguous().t()),
        (T, T.clone().requires_grad_()),
        (T, nn.Parameter(T.clone(), requires_grad=False)),
        (T, T.to("meta")),
        (T.to(torch.complex64), T.to(torch.complex64).conj()),
        (T, None),
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        (1.0, float("nan")),
        (None, False),
        ((1, 2), [1, 2]),
        ((1, 2), Point(1, 2)),
        ([1], [1, 1]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"b": 1}),
        (slice(1), slice(2)),
        (range(0, 3, 2), range(0, 4, 2)),
        ("a", b"a"),
        (torch.float32, torch.float64),
        (types.SimpleNamespace(a=1), types.SimpleNamespace(a=1)),
    ],
)
def test_does_not_match(recorded, other):
    spec = spec_of(recorded)
    assert not spec.check((other,), {})
    assert spec.explain((other,), {})


def test_leaf_and_result_differ():
    leaf = T.clone().requires_grad_()
    assert not spec_of(leaf).check((leaf * 1,), {})
    with torch.inference_mode():
        inference = T.clone()
    assert not spec_of(T).check((inference,), {})


def test_keywords():
    spec = _C.ArgumentSpec.build((1,), {"a": T, "b": 2}, False)
    assert spec.check((1,), {"b": 2, "a": T})
    assert not spec.check((1,), {"a": T})
    assert not spec.check((1,), {"a": T, "c": 2})
    assert not _C.ArgumentSpec.build((1,), {"a": T, "b": 2}, True).check((1,), {"b": 2, "a": T})


def test_containers_keep_their_identity_pattern():
    row = [T]
    spec = spec_of(row, row)
    assert not spec.check(([T], [T]), {})
    assert not spec_of([T], [T]).check((row, row), {})


def test_tensors_in_flatten_order():
    a, b, c = T + 1, T + 2, T + 3
    assert [int(t[0, 0]) for t in spec_of([a], {"k": b}, z=(c,)).tensors(([a], {"k": b}), {"z": (c,)})] == [1, 2, 3]


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        (T.to_sparse(), "tensor_kind"),
        (torch.quantize_per_tensor(T, 0.1, 0, torch.qint8), "tensor_kind"),
        (torch.nested.nested_tensor([T, T[:2]]), "tensor_kind"),
        (T.as_subclass(type("Sub", (torch.Tensor,), {})), "tensor_kind"),
    ],
)
def test_refused(argument, reason):
    assert _C.ArgumentSpec.build((argument,), {})[0] == reason


def test_tensor_with_python_attributes():
    marked = T.clone()
    marked.note = 1
    assert _C.ArgumentSpec.build((marked,), {})[0] == "argument_structure"
    assert not spec_of(T.clone()).check((marked,), {})
    unread = _C.ArgumentSpec.build((marked,), {}, attributes_matter=False)
    assert unread.check((marked,), {}) and unread.check((T.clone(),), {})


def test_list_that_contains_itself():
    loop = []
    loop.append(loop)
    assert _C.ArgumentSpec.build((loop,), {})[0] == "argument_structure"


def test_objects_are_not_kept_alive():
    thing = nn.Linear(2, 2)
    spec = spec_of(thing, 1)
    assert [path for path, _ in spec.objects] == ["args[0]"]
    reference = weakref.ref(thing)
    del thing
    gc.collect()
    assert reference() is None
    assert spec.is_dead
    assert not spec.check((nn.Linear(2, 2), 1), {})


def relations(inputs, tensors):
    guards = _C.StateGuards()
    guards.add_alias_links(inputs, tensors)
    return guards


def test_alias_links():
    a, b = torch.zeros(8), torch.zeros(8)
    distinct = relations([a, b], [])
    assert distinct.check_aliases([a.clone(), b])
    assert not distinct.check_aliases([a, a])
    same = relations([a, a], [])
    assert same.check_aliases([b, b])
    assert not same.check_aliases([a, b])
    views = relations([a[:4], a[2:6]], [])
    assert views.check_aliases([b[:4], b[2:6]])
    assert not views.check_aliases([a[:4], b[2:6]])
    assert not views.check_aliases([a[:4], a[3:7]])
    weight = nn.Parameter(torch.zeros(8))
    captured = relations([weight], [weight])
    assert captured.check_aliases([weight])
    assert not captured.check_aliases([nn.Parameter(torch.zeros(8))])
    assert not relations([a], [weight]).check_aliases([weight])
    many = [torch.zeros(1) for _ in range(20)]
    crowd = relations(many, [])
    assert crowd.check_aliases([t.clone() for t in many])
    assert not crowd.check_aliases([*many[:-1], many[0]])
