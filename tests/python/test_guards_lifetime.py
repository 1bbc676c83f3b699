"""Compiled entries keep no model alive that the program has let go of."""

import gc
import weakref

import pytest
import torch
from torch import nn

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")


def net():
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)).eval()


def references(model):
    return [weakref.ref(model), weakref.ref(model[0]), weakref.ref(model[0].weight)]


def alive(watched):
    gc.collect()
    return [reference() is not None for reference in watched]


@torch.no_grad()
def test_compiled_module():
    model = braze.compile(net())
    for _ in range(5):
        model(torch.ones(1, 4))
    assert [entry.state for entry in model._compiled_call_impl.entries] == ["compiled"]
    watched = references(model)
    del model
    assert alive(watched) == [False] * 3


@torch.no_grad()
def test_model_that_was_an_argument():
    @braze.compile
    def apply(model, x):
        return model(x) * 2

    model = net()
    for _ in range(5):
        apply(model, torch.ones(1, 4))
    assert [entry.state for entry in apply.entries] == ["compiled"]
    watched = references(model)
    del model
    assert alive(watched) == [False] * 3
    assert apply.entries == []


@torch.no_grad()
def test_model_in_a_closure():
    def make():
        model = net()
        return braze.compile(lambda x: model(x) * 2), references(model)

    apply, watched = make()
    for _ in range(5):
        apply(torch.ones(1, 4))
    assert [entry.state for entry in apply.entries] == ["compiled"]
    del apply
    assert alive(watched) == [False] * 3
