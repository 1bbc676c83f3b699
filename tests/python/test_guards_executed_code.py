"""What may not run in a call that is to be replayed: functions whose answer changes, and effects the world sees."""

import datetime
import importlib
import inspect
import logging
import os
import random
import sys
import time
import uuid
import warnings

import numpy
import pytest
import torch
from guarded_state import refusal_of

from braze.tracing.executed_code import ExecutedCode, reads_unnamed_attributes

LOGGER = logging.getLogger("braze.test")


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * time.time(),
        lambda x: x * time.perf_counter(),
        lambda x: x * random.random(),
        lambda x: x * random.Random(0).random(),
        lambda x: x + numpy.random.rand(),
        lambda x: x + datetime.datetime.now().year,
        lambda x: x + len(str(uuid.uuid4())),
        lambda x: x + os.urandom(1)[0],
        lambda x: x + os.getpid(),
        lambda x: (print(end=""), x)[1],
        lambda x: x + len(open(__file__).read()),
        lambda x: x + eval("1"),
        lambda x: x * globals()["LOGGER"].level,
        lambda x: x + id(x) % 2,
        lambda x: (LOGGER.error("seen"), x)[1],
        lambda x: (warnings.warn("seen", stacklevel=1), x)[1],
        lambda x: x + sys.getrefcount(x),
        lambda x: x + os.path.exists(__file__),
        lambda x: x + importlib.import_module("braze").__name__.count("z"),
        lambda x: x + inspect.currentframe().f_back.f_lineno,
        lambda x: x + list(map(time.sleep, [0.0]))[0] if False else x * next(iter(time.time, None)),
        lambda x: x + numpy.random.RandomState(0).rand(),
        lambda x: x + numpy.random.default_rng(0).random(),
    ],
)
def test_impure_calls_are_refused(function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refusal = refusal_of(function, torch.ones(2))
    assert refusal is not None and refusal.reason in ("impure_call", "unknown_state"), refusal
    if refusal.reason == "impure_call":
        assert refusal.where is None or __file__ in refusal.where


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * len([1, 2]) + max(1, 2) + sum(range(3)),
        lambda x: x + sum(a * b for a, b in zip([1, 2], sorted([4, 3]))),
        lambda x: x.view(-1).reshape(1, -1) if isinstance(x, torch.Tensor) and hasattr(x, "shape") else x,
        lambda x: x * float("2.5".strip()) + int(f"{3}"),
        lambda x: x + os.environ.get("BRAZE_NO_SUCH_VARIABLE", 1),
        lambda x: (LOGGER.debug("not seen"), x)[1],
        lambda x: torch.nn.functional.softmax(x, dim=-1),
        lambda x: torch.einsum("i,i->", x, x),
    ],
)
def test_plain_code_is_not_refused(function):
    assert refusal_of(function, torch.ones(2)) is None


def test_foreign_profiler_is_left_alone():
    seen = []

    def profiler(frame, event, argument):
        seen.append(event)

    sys.setprofile(profiler)
    try:
        with ExecutedCode() as executed:
            pass
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    assert executed.refusal.reason == "profiler"


def test_constant_names_are_recognised():
    def spelled(s):
        return getattr(s.config, "x", None), hasattr(s, "y"), setattr(s, "z", s.a + 1)

    def computed(s, i):
        return getattr(s, f"layer{i}")

    def joined(s):
        return getattr(s, "a" + s.b, None)

    def handed_over(s):
        return list(map(getattr, s, "ab"))

    def whole(s):
        return vars(s)

    assert not reads_unnamed_attributes(spelled.__code__)
    for function in (computed, joined, handed_over, whole):
        assert reads_unnamed_attributes(function.__code__), function.__name__
