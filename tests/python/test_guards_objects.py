"""Guards on the many shapes Python objects take. Each case is a function and a change of what it read, which the
guards must notice.
"""

import collections
import collections.abc
import enum
import functools
import types
import weakref

import pytest
import torch
from guarded_state import refusal_of, state_of
from torch import nn

CASES = {}


def case(make):
    """`make` returns (function, change) or (function, change, further arguments)."""
    CASES[make.__name__] = make
    return make


def test_globals_of_another_function_are_refused():
    def holder():
        pass

    refusal = refusal_of(lambda x: x * len(holder.__globals__), torch.ones(2))
    assert refusal is not None
    assert refusal.reason == "impure_call"


@pytest.mark.parametrize("name", CASES)
def test_change_is_noticed(name):
    function, change, *args = CASES[name]()
    state = state_of(function, torch.ones(2), *args)
    change()
    assert not state.guards.check()


@case
def property_of_a_metaclass():
    class Meta(type):
        @property
        def scale(cls):
            return cls.hidden

    class Thing(metaclass=Meta):
        hidden = 2.0

    return lambda x: x * Thing.scale, lambda: setattr(Thing, "hidden", 3.0)


@case
def attribute_of_a_metaclass():
    class Meta(type):
        scale = 2.0

    class Thing(metaclass=Meta):
        pass

    return lambda x: x * Thing.scale, lambda: setattr(Meta, "scale", 3.0)


@case
def property_made_anew():
    class Thing:
        @property
        def scale(self):
            return 2.0

    thing = Thing()
    return lambda x: x * thing.scale, lambda: Thing.__dict__["scale"].__init__(lambda self: 3.0)


@case
def static_method_made_anew():
    class Thing:
        @staticmethod
        def apply(x):
            return x * 2

    return lambda x: Thing.apply(x), lambda: Thing.__dict__["apply"].__init__(lambda x: x * 3)


@case
def class_method_made_anew():
    class Thing:
        @classmethod
        def apply(cls, x):
            return x * 2

    return lambda x: Thing.apply(x), lambda: Thing.__dict__["apply"].__init__(lambda cls, x: x * 3)


@case
def property_of_a_kind_of_its_own_made_anew():
    class Cached(property):
        pass

    class Thing:
        scale = Cached(lambda self: 2.0)

    thing = Thing()
    return lambda x: x * thing.scale, lambda: Thing.__dict__["scale"].__init__(lambda self: 3.0)


@case
def class_behind_an_alias():
    class Thing(list):
        scale = 2.0

    alias = types.GenericAlias(Thing, (int,))
    return lambda x: x * alias.__origin__.scale, lambda: setattr(Thing, "scale", 3.0)


@case
def class_behind_a_callable_alias():
    class Thing:
        scale = 2.0

    alias = collections.abc.Callable[[Thing], int]
    return lambda x: x * alias.__args__[0].scale, lambda: setattr(Thing, "scale", 3.0)


@case
def slot_read_by_its_descriptor():
    class Thing:
        __slots__ = ("sca" + "le",)

    thing = Thing()
    setattr(thing, "sca" + "le", 2.0)
    descriptor = Thing.__dict__["sca" + "le"]
    return lambda x: x * descriptor.__get__(thing), lambda: setattr(thing, "sca" + "le", 3.0)


def hidden_attribute():
    """An object with an attribute whose name no code spells out, and what changes it."""
    thing = types.SimpleNamespace()
    setattr(thing, "hid" + "den", 2.0)
    return thing, "hid" + "den", lambda: setattr(thing, "hid" + "den", 3.0)


@case
def getattr_in_a_partial():
    thing, name, change = hidden_attribute()
    read = functools.partial(getattr, thing, name)
    return lambda x: x * read(), change


@case
def getattr_by_another_name():
    thing, name, change = hidden_attribute()
    read = getattr
    return lambda x: x * read(thing, name), change


@case
def getattr_in_a_container():
    thing, name, change = hidden_attribute()
    functions = {"read": getattr}
    return lambda x: x * functions["read"](thing, name), change


@case
def getattr_bound_to_an_object():
    thing, name, change = hidden_attribute()
    read = types.MethodType(getattr, thing)
    return lambda x: x * read(name), change


@case
def vars_by_another_name():
    thing, name, change = hidden_attribute()
    read = vars
    return lambda x: x * read(thing)[name], change


@case
def lookup_of_object_by_another_name():
    thing, name, change = hidden_attribute()
    read = object.__getattribute__
    return lambda x: x * read(thing, name), change


@case
def lookup_of_type_by_another_name():
    class Thing:
        pass

    name = "hid" + "den"
    setattr(Thing, name, 2.0)
    read = type.__getattribute__
    return lambda x: x * read(Thing, name), lambda: setattr(Thing, name, 3.0)


@case
def format_string_in_a_variable():
    thing, name, change = hidden_attribute()
    text = "{0." + name + "}"
    return lambda x: x * float(text.format(thing)), change


@case
def nested_field_of_a_format_string():
    thing, name, change = hidden_attribute()
    text = " " * 300 + "{0." + name + ":{1}}"
    return lambda x: x * float(text.format(thing, 5)), change


@case
def long_format_string():
    thing, name, change = hidden_attribute()
    text = " " * 300 + "{0." + name + "}"
    return lambda x: x * float(text.format(thing)), change


@case
def class_in_a_union():
    class Thing:
        scale = 2.0

    union = Thing | int
    return lambda x: x * union.__args__[0].scale, lambda: setattr(Thing, "scale", 3.0)


@case
def keywords_of_a_partial_method():
    class Thing:
        def plain(self, x, factor):
            return x * factor

        double = functools.partialmethod(plain, factor=2.0)

    thing = Thing()
    return lambda x: thing.double(x), lambda: Thing.__dict__["double"].keywords.update(factor=5.0)


@case
def implementation_registered_later():
    @functools.singledispatch
    def apply(kind, x):
        return x

    apply.register(int, lambda kind, x: x * 2)
    return lambda x: apply(1, x), lambda: apply.register(int, lambda kind, x: x * 3)


@case
def chain_map():
    chain = collections.ChainMap({"a": 1.0}, {"b": 2.0})
    return lambda x: x * chain["b"], lambda: chain.maps[1].update(b=3.0)


@case
def user_dict():
    data = collections.UserDict(a=1.0)
    return lambda x: x * data["a"], lambda: data.update(a=2.0)


@case
def counter():
    counts = collections.Counter(a=1)
    return lambda x: x * counts["a"], lambda: counts.update("a")


@case
def default_factory():
    table = collections.defaultdict(float)
    table["a"] = 1.0
    return lambda x: x * table["a"], lambda: setattr(table, "default_factory", int)


@case
def mapping_proxy():
    data = {"a": 1.0}
    proxy = types.MappingProxyType(data)
    return lambda x: x * proxy["a"], lambda: data.update(a=2.0)


@case
def bound_method_of_a_dict():
    data = {"a": 1.0}
    get = data.get
    return lambda x: x * get("a"), lambda: data.update(a=2.0)


@case
def bound_method_of_a_list():
    data = [1.0]
    get = data.__getitem__
    return lambda x: x * get(0), lambda: data.append(2.0)


def module_with_getattr():
    module = types.ModuleType("lazy")
    module.table = {"scale": 1.0}
    module.__getattr__ = lambda name: module.table[name]
    return module


@case
def module_getattr_reads_a_dict():
    module = module_with_getattr()
    return lambda x: x * module.scale, lambda: module.table.update(scale=2.0)


@case
def module_attribute_that_getattr_stood_for():
    module = module_with_getattr()
    return lambda x: x * module.scale, lambda: setattr(module, "scale", 2.0)


@case
def module_getattr_replaced():
    module = module_with_getattr()
    return lambda x: x * module.scale, lambda: setattr(module, "__getattr__", lambda name: 5.0)


@case
def attribute_of_a_string():
    class Text(str):
        pass

    text = Text("a")
    text.scale = 2.0
    return lambda x: x * text.scale, lambda: setattr(text, "scale", 3.0)


@case
def operator_of_a_float_subclass():
    class Number(float):
        pass

    number = Number(2.0)
    return lambda x: number * 2.0 + x, lambda: setattr(Number, "__mul__", lambda a, b: 3.0)


@case
def keyword_pattern():
    thing = types.SimpleNamespace(scale=2.0)

    def f(x):
        match thing:
            case types.SimpleNamespace(scale=value):
                return x * value

    return f, lambda: setattr(thing, "scale", 3.0)


@case
def positional_pattern():
    class Thing:
        __match_args__ = ("scale",)

    thing = Thing()
    setattr(thing, "sca" + "le", 2.0)

    def f(x):
        match thing:
            case Thing(value):
                return x * value

    return f, lambda: setattr(thing, "sca" + "le", 3.0)


@case
def method_behind_super():
    class Base:
        def apply(self, x):
            return x

    class Derived(Base):
        def apply(self, x):
            return super().apply(x) * 2

    thing = Derived()
    return lambda x: thing.apply(x), lambda: setattr(Base, "apply", lambda self, x: x + 1)


@case
def closure_of_a_registered_function():
    factor = [2.0]

    class Registry:
        table = {"double": lambda x: x * factor[0]}

    return lambda x: Registry.table["double"](x), lambda: factor.append(1.0)


@case
def weak_key_dictionary():
    class Key:
        pass

    key = Key()
    table = weakref.WeakKeyDictionary({key: 2.0})
    return lambda x, key: x * table[key], lambda: table.__setitem__(key, 3.0), key


@case
def flag_of_an_object():
    class Bits(enum.IntFlag):
        A = 1
        B = 2

    thing = types.SimpleNamespace(bits=Bits.A)
    return lambda x: x * 2 if thing.bits & Bits.B else x, lambda: setattr(thing, "bits", Bits.B)


@case
def closure_of_a_closure():
    values = [1.0]

    def inner(x):
        return x * values[0]

    return lambda x: inner(x), lambda: values.__setitem__(0, 2.0)


@case
def state_of_a_decorator():
    settings = {"scale": 1.0}

    def scaled(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args) * settings["scale"]

        return wrapper

    return scaled(lambda x: x + 1), lambda: settings.update(scale=2.0)


@case
def state_behind_no_grad():
    settings = {"scale": 1.0}
    return torch.no_grad()(lambda x: x * settings["scale"]), lambda: settings.update(scale=2.0)


class Callable:
    def __init__(self):
        self.scale = 1.0

    def __call__(self, x):
        return x * self.scale


@case
def callable_object():
    thing = Callable()
    return thing, lambda: setattr(thing, "scale", 2.0)


@case
def object_argument():
    thing = Callable()
    return lambda x, thing: thing(x), lambda: setattr(thing, "scale", 2.0), thing


class Row:
    def __init__(self):
        self.values = [1.0, 2.0]

    def __iter__(self):
        return iter(self.values)

    def __len__(self):
        return len(self.values)


@case
def iteration_protocol():
    row = Row()
    return lambda x: x * sum(row), lambda: row.values.append(3.0)


@case
def truth_of_an_object():
    row = Row()
    return lambda x: x * 2 if row else x, lambda: row.values.clear()


@case
def deleted_attribute():
    class Thing:
        scale = 5.0

    thing = Thing()
    thing.scale = 1.0
    return lambda x: x * thing.scale, lambda: delattr(thing, "scale")


@case
def list_in_a_tuple():
    pair = (1.0, [2.0])
    return lambda x: x * pair[1][0], lambda: pair[1].__setitem__(0, 3.0)


@case
def own_globals():
    namespace = {}
    exec("def inner(x): return x * 2\ndef f(x): return inner(x)", namespace)
    return namespace["f"], lambda: namespace.update(inner=lambda x: x)


@case
def module_in_a_module_dict():
    net = nn.ModuleDict({"a": nn.Identity()})
    return lambda x: net["a"](x) * 2, lambda: net.update({"a": nn.Tanh()})


@case
def parameter_in_a_parameter_list():
    row = nn.ParameterList([torch.ones(2)])
    return lambda x: x * row[0], lambda: row.__setitem__(0, nn.Parameter(torch.zeros(2)))


@case
def mode_of_a_nested_module():
    net = nn.Sequential(nn.Identity(), nn.Sequential(nn.ReLU(), nn.Dropout(0.5))).eval()
    return lambda x: net(x), lambda: net[1][1].train()
