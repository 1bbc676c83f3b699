"""Guards on Python state: each kind of place a function can read from is changed, and the guards must notice; unread
places must not matter.
"""

import collections
import contextvars
import dataclasses
import enum
import functools
import operator
import os
import sys
import types

import pytest
import torch
from guarded_state import refusal_of, state_of
from torch import nn

from braze import _C
from braze.tracing.argument_memory import ArgumentMemory

SCALE = 2.0
SETTINGS = {"scale": 2.0}
ROW = [1.0, 2.0]
VARIABLE = contextvars.ContextVar("level")


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@dataclasses.dataclass
class Settings:
    scale: float = 2.0
    name: str = "a"


class Slotted:
    __slots__ = ("scale", "unread")

    def __init__(self):
        self.scale, self.unread = 2.0, 1


def holds(state):
    return state.guards.check()


def test_global_is_guarded(monkeypatch):
    def f(x):
        return x * SCALE

    state = state_of(f, torch.ones(2))
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert not holds(state)
    assert state.changed() == [f"{__name__}['SCALE']"]
    monkeypatch.setitem(globals(), "SCALE", 4.0 - 2.0)
    assert holds(state), "an equal value of the same type is the same state"
    monkeypatch.setitem(globals(), "SCALE", 2)
    assert not holds(state), "another type is another state"


def test_unread_global_does_not_matter(monkeypatch):
    state = state_of(lambda x: x * SCALE, torch.ones(2))
    monkeypatch.setitem(globals(), "SOMETHING_ELSE", 1)
    assert holds(state)


def test_global_that_shadows_a_builtin(monkeypatch):
    state = state_of(lambda x: x * len(ROW), torch.ones(2))
    monkeypatch.setitem(globals(), "len", lambda _: 7)
    assert not holds(state)


def test_items_of_containers(monkeypatch):
    state = state_of(lambda x: x * SETTINGS["scale"] + ROW[0], torch.ones(2))
    monkeypatch.setitem(SETTINGS, "scale", 3.0)
    assert not holds(state)
    monkeypatch.undo()
    assert holds(state)
    ROW.append(3.0)
    assert not holds(state)
    ROW.pop()
    assert holds(state)
    ROW[0] = 5.0
    assert not holds(state)
    ROW[0] = 1.0
    assert holds(state)


def test_order_of_an_ordered_dict():
    order = collections.OrderedDict(a=1.0, b=2.0)

    def f(x):
        for value in order.values():
            x = x * value + 1
        return x

    state = state_of(f, torch.ones(2))
    order.move_to_end("a")
    assert not holds(state)
    order.move_to_end("b")
    assert holds(state)


def test_order_of_a_dict():
    order = dict(a=1.0, b=2.0)
    state = state_of(lambda x: x * next(iter(order.values())), torch.ones(2))
    order["a"] = order.pop("a")
    assert not holds(state)


def test_elements_of_a_set():
    names = {"a", "b"}
    state = state_of(lambda x: x + ("c" in names), torch.ones(2))
    names.add("c")
    assert not holds(state)
    names.remove("c")
    assert holds(state)


def test_closure_and_nonlocal():
    scale, unread = 2.0, [1]

    def f(x):
        return x * scale

    def change(value):
        nonlocal scale
        scale = value

    state = state_of(f, torch.ones(2))
    unread.append(2)
    assert holds(state)
    change(3.0)
    assert not holds(state)


def test_defaults_and_code_of_functions():
    def inner(x, scale=2.0, *, bias=1.0):
        return x * scale + bias

    def f(x):
        return inner(x)

    for change in (
        lambda: setattr(inner, "__defaults__", (3.0,)),
        lambda: inner.__kwdefaults__.update(bias=2.0),
        lambda: setattr(inner, "__code__", (lambda x, scale=2.0, *, bias=1.0: x - scale - bias).__code__),
    ):
        state = state_of(f, torch.ones(2))
        change()
        assert not holds(state)


def test_attribute_of_a_function():
    def f(x):
        return x * f.scale

    f.scale = 2.0
    state = state_of(f, torch.ones(2))
    f.other = 1
    assert holds(state)
    f.scale = 3.0
    assert not holds(state)


def test_attributes_of_objects():
    for holder in (Settings(), types.SimpleNamespace(scale=2.0), Slotted()):
        state = state_of(lambda x: x * holder.scale, torch.ones(2))
        if not isinstance(holder, Slotted):
            holder.extra = 1
            assert holds(state), "an attribute that no code names"
        holder.scale = 3.0
        assert not holds(state)
        holder.scale = 2.0
        assert holds(state)


def test_dict_and_class_of_an_object_replaced():
    class Other(Settings):
        pass

    holder = Settings()
    state = state_of(lambda x: x * holder.scale, torch.ones(2))
    holder.__dict__ = {"scale": 2.0, "name": "a"}
    assert not holds(state)
    state = state_of(lambda x: x * holder.scale, torch.ones(2))
    holder.__class__ = Other
    assert not holds(state)


def test_absent_attribute_appears():
    holder = types.SimpleNamespace()
    state = state_of(lambda x: x * getattr(holder, "scale", 2.0), torch.ones(2))
    holder.scale = 3.0
    assert not holds(state)


def test_class_attribute_method_and_base():
    class Base:
        scale = 2.0

        def apply(self, x):
            return x * self.scale

    class Derived(Base):
        pass

    class OtherBase(Base):
        scale = 5.0

    thing = Derived()

    def f(x):
        return thing.apply(x)

    for change in (
        lambda: setattr(Base, "scale", 3.0),
        lambda: setattr(Derived, "scale", 4.0),
        lambda: setattr(Derived, "apply", lambda self, x: x),
        lambda: setattr(Derived, "__getattribute__", object.__getattribute__),
        lambda: setattr(Derived, "__bases__", (OtherBase,)),
    ):
        state = state_of(f, torch.ones(2))
        change()
        assert not holds(state)


def test_property_and_getattr_hook():
    class Thing:
        def __init__(self):
            self._scale, self._items = 2.0, {"bias": 1.0}

        @property
        def scale(self):
            return self._scale

        def __getattr__(self, name):
            return self._items[name]

    thing = Thing()
    state = state_of(lambda x: x * thing.scale + thing.bias, torch.ones(2))
    thing._scale = 3.0
    assert not holds(state)
    thing._scale = 2.0
    assert holds(state)
    thing._items["bias"] = 2.0
    assert not holds(state)
    state = state_of(lambda x: x * thing.scale + thing.bias, torch.ones(2))
    Thing.scale = property(lambda self: 7.0)
    assert not holds(state)


def test_descriptor_cached_property_partial_and_bound_method():
    class Double:
        factor = 2.0

        def __get__(self, instance, owner):
            return self.factor

    class Thing:
        double = Double()

        def __init__(self):
            self.base = 3.0

        @functools.cached_property
        def cached(self):
            return self.base

        def method(self, x, y):
            return x * y * self.base

    thing = Thing()
    call = functools.partial(thing.method, y=2.0)
    method = thing.method
    thing.cached  # noqa: B018 - fills the cache

    def f(x):
        return call(x) + method(x, 1.0) + thing.double + thing.cached

    for change in (
        lambda: setattr(Double, "factor", 4.0),
        lambda: thing.__dict__.update(cached=5.0),
        lambda: setattr(thing, "base", 6.0),
        lambda: call.keywords.update(y=3.0),
    ):
        state = state_of(f, torch.ones(2))
        change()
        assert not holds(state)


def test_enum_members():
    mode = [Mode.FAST]
    state = state_of(lambda x: x * mode[0].value if mode[0] is Mode.FAST else x, torch.ones(2))
    assert holds(state)
    mode[0] = Mode.SLOW
    assert not holds(state)


def test_context_variable():
    VARIABLE.set(2.0)
    state = state_of(lambda x: x * VARIABLE.get(), torch.ones(2))
    token = VARIABLE.set(3.0)
    assert not holds(state)
    VARIABLE.reset(token)
    assert holds(state)


def test_environment(monkeypatch):
    for function in (
        lambda x: x * float(os.getenv("BRAZE_TEST", "1")),
        lambda x: x * float(os.environ.get("BRAZE_TEST", "1")),
    ):
        state = state_of(function, torch.ones(2))
        monkeypatch.setenv("BRAZE_TEST", "2")
        assert not holds(state)
        monkeypatch.delenv("BRAZE_TEST")


def test_setting_of_the_library():
    def f(x):
        return x * torch.backends.mha.get_fastpath_enabled()

    state = state_of(f, torch.ones(2))
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        assert not holds(state)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert holds(state)


def test_stores_of_the_specialising_interpreter():
    """Attribute and item stores that have run often take shortcuts in the interpreter; each must still move what the
    guards look at.
    """

    class Thing:
        pass

    thing, slotted, items = Thing(), Slotted(), {"scale": 1}
    thing.scale = 1
    state = state_of(lambda x: x * thing.scale * slotted.scale * items["scale"] * SCALE, torch.ones(2))

    def store(target, value):
        target.scale = value

    def store_item(target, value):
        target["scale"] = value

    def store_global(value):
        global SCALE
        SCALE = value

    start = slotted.scale, SCALE
    for _ in range(100):
        for change, restore in (
            (lambda: store(thing, 2), lambda: store(thing, 1)),
            (lambda: store(slotted, 5), lambda: store(slotted, start[0])),
            (lambda: store_item(items, 2), lambda: store_item(items, 1)),
            (lambda: store_global(7.0), lambda: store_global(start[1])),
        ):
            change()
            assert not holds(state)
            restore()
            assert holds(state)


def test_computed_attribute_names():
    holder = types.SimpleNamespace(w0=1.0, w1=2.0)
    state = state_of(lambda x: x * getattr(holder, f"w{1}"), torch.ones(2))
    holder.w1 = 3.0
    assert not holds(state)


def test_name_of_a_function_kept_in_a_string(monkeypatch):
    options = {"activation": "relu"}
    state = state_of(lambda x: getattr(torch, options["activation"])(x), torch.ones(2))
    monkeypatch.setattr(torch, "relu", torch.sigmoid)
    assert not holds(state)


def test_monkeypatched_library(monkeypatch):
    for owner, name in ((nn.functional, "relu"), (nn.ReLU, "forward"), (torch.Tensor, "relu")):
        layer = nn.ReLU()
        state = state_of(lambda x: layer(x).relu(), torch.ones(2))
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, lambda *args, **kwargs: args[-1], raising=False)
            assert not holds(state), name


def test_import_inside_the_function():
    module = types.ModuleType("braze_guard_test")
    module.bias = 1.0
    sys.modules[module.__name__] = module
    try:

        def f(x):
            import braze_guard_test

            return x + braze_guard_test.bias

        state = state_of(f, torch.ones(2))
        module.bias = 2.0
        assert not holds(state)
        module.bias = 1.0
        assert holds(state)
        sys.modules[module.__name__] = types.ModuleType(module.__name__)
        assert not holds(state)
    finally:
        del sys.modules[module.__name__]


def test_attribute_getter():
    holder = types.SimpleNamespace(inner=types.SimpleNamespace(scale=2.0))
    read = operator.attrgetter("inner.scale")
    state = state_of(lambda x: x * read(holder), torch.ones(2))
    holder.inner.scale = 3.0
    assert not holds(state)


def test_library_function_used_by_the_library(monkeypatch):
    layer = nn.Linear(2, 2)
    state = state_of(lambda x: layer(x), torch.ones(2))
    monkeypatch.setattr(nn.functional, "linear", lambda x, weight, bias: x)
    assert not holds(state)


def test_cached_function():
    source = {"factor": 2.0}

    @functools.lru_cache
    def factor(unused=0):
        return source["factor"]

    @functools.lru_cache
    def options():
        return {"bias": 1.0}

    def f(x):
        return x * factor() + options()["bias"]

    f(torch.ones(2))
    state = state_of(f, torch.ones(2))
    options()["bias"] = 2.0
    assert not holds(state), "what lies in the cache is state"
    state = state_of(f, torch.ones(2))
    factor.cache_clear()
    assert not holds(state)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.norm = nn.LayerNorm(4)
        self.dropout = nn.Dropout(0.0)
        self.register_buffer("shift", torch.zeros(4))
        self.scale = 2.0
        self.calls = 0

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.dropout(self.norm(x)) * self.scale + self.shift


@pytest.mark.parametrize(
    "change",
    [
        lambda net: setattr(net, "scale", 3.0),
        lambda net: net.train(),
        lambda net: setattr(net.layers[0], "weight", nn.Parameter(torch.ones(4, 4))),
        lambda net: setattr(net.layers[0], "bias", None),
        lambda net: setattr(net, "shift", torch.ones(4)),
        lambda net: net.layers.append(nn.Linear(4, 4)),
        lambda net: net.layers.__delitem__(0),
        lambda net: setattr(net, "norm", nn.Identity()),
        lambda net: net.register_forward_hook(lambda module, args, out: out + 1),
        lambda net: net.norm.register_forward_pre_hook(lambda module, args: args),
        lambda net: setattr(net, "forward", lambda x: x),
        lambda net: setattr(net.layers[1], "__class__", nn.Identity),
        lambda net: nn.utils.parametrize.register_parametrization(net.layers[0], "weight", nn.Identity()),
        lambda net: setattr(net.norm, "eps", 0.1),
        lambda net: net._modules.update(norm=nn.Identity()),
        lambda net: net.shift.__dict__.update(scale=1.0),
    ],
)
def test_module_state(change):
    net = Net().eval()
    state = state_of(net, torch.ones(2, 4))
    assert {path for path, _ in state.tensors} >= {"self.layers.0.weight", "self.norm.bias", "self.shift"}
    net.calls += 1
    assert holds(state), "an attribute that no code reads"
    change(net)
    assert not holds(state)


def test_global_module_hooks():
    net = Net().eval()
    state = state_of(net, torch.ones(2, 4))
    handle = nn.modules.module.register_module_forward_hook(lambda module, args, out: out)
    assert not holds(state)
    handle.remove()
    assert holds(state)


def test_effects_are_named():
    log, counter = [], types.SimpleNamespace(n=0)

    def f(x, items):
        log.append(1)
        counter.n += 1
        items["seen"] = True
        return x

    state = state_of(f, torch.ones(2), {"seen": True})
    f(torch.ones(2), {})
    assert sorted(state.changed()) == ["counter.__dict__['n']", "log"] or len(state.changed()) == 2


def test_effect_on_an_argument():
    items = [torch.ones(2)]
    spec = _C.ArgumentSpec.build((items,), {})
    memory = ArgumentMemory(spec, (items,), {})
    assert memory.outcome(1) == (1, None)
    items.append(torch.zeros(2))
    (result, replaced), effects = memory.outcome(1)
    assert (result, list(map(id, replaced))) == (1, list(map(id, items)))
    assert effects.describe() == "replace#0"


@pytest.mark.parametrize(
    "make",
    [
        lambda: (lambda iterator: lambda x: x + next(iterator))(iter(range(1000))),
        lambda: (lambda generator: lambda x: x + sum(1 for _ in zip(generator, range(2))))(i for i in range(1000)),
        lambda: (lambda data: lambda x: x + data[0])(bytearray(b"abc")),
        lambda: (lambda queue: lambda x: x + queue[0])(collections.deque([1, 2])),
    ],
    ids=["iterator", "generator", "bytearray", "deque"],
)
def test_hidden_state_is_refused(make):
    refusal = refusal_of(make(), torch.ones(2))
    assert refusal is not None and refusal.reason == "unknown_state", refusal
