"""Functions that read plain Python objects: attributes, classes, properties, slots, descriptors, dataclasses."""

import collections
import dataclasses
import types

import torch

from . import data, first_of_phase, phases, program


@program
def attribute_of_plain_object(compile):
    class Config:
        scale = 1.0

    config = Config()
    compiled = compile(lambda x: x * config.scale)
    for scale in phases(1.0, 2.0, 1.0):
        config.scale = scale
        yield compiled(data(4, 8))


@program
def attribute_deleted_shows_class_value(compile):
    class Config:
        scale = 5.0

    config = Config()
    compiled = compile(lambda x: x * config.scale)
    for own, first in first_of_phase([True, False, True]):
        if first and own:
            config.scale = 2.0
        elif first:
            del config.scale
        yield compiled(data(4, 8))


@program
def class_attribute(compile):
    class Config:
        scale = 1.0

    config = Config()
    compiled = compile(lambda x: x * config.scale)
    for scale in phases(1.0, 2.0, 1.0):
        Config.scale = scale
        yield compiled(data(4, 8))


@program
def base_class_attribute(compile):
    class Base:
        scale = 1.0

    class Middle(Base):
        pass

    class Config(Middle):
        pass

    config = Config()
    compiled = compile(lambda x: x * config.scale)
    for where, scale in phases((Base, 1.0), (Base, 2.0), (Middle, 3.0), (Base, 4.0)):
        where.scale = scale
        yield compiled(data(4, 8))


@program
def method_replaced_on_class(compile):
    class Layer:
        def apply(self, x):
            return x + 1

    layer = Layer()
    original = Layer.apply
    compiled = compile(lambda x: layer.apply(x))
    for patched in phases(False, True, False):
        Layer.apply = (lambda self, x: x - 1) if patched else original
        yield compiled(data(4, 8))


@program
def method_replaced_on_instance(compile):
    class Layer:
        def apply(self, x):
            return x + 1

    layer = Layer()
    compiled = compile(lambda x: layer.apply(x))
    for patched, first in first_of_phase([False, True, False]):
        if first and patched:
            layer.apply = lambda x: x * 7
        elif first:
            vars(layer).pop("apply", None)
        yield compiled(data(4, 8))


@program
def class_of_object_replaced(compile):
    class Add:
        def apply(self, x):
            return x + 2

    class Multiply:
        def apply(self, x):
            return x * 2

    layer = Add()
    compiled = compile(lambda x: layer.apply(x))
    for kind in phases(Add, Multiply, Add):
        layer.__class__ = kind
        yield compiled(data(4, 8))


@program
def bases_of_class_replaced(compile):
    class Add:
        def apply(self, x):
            return x + 2

    class Multiply:
        def apply(self, x):
            return x * 2

    class Layer(Add):
        pass

    layer = Layer()
    compiled = compile(lambda x: layer.apply(x))
    for base in phases(Add, Multiply, Add):
        Layer.__bases__ = (base,)
        yield compiled(data(4, 8))


@program
def property_over_private_state(compile):
    class Config:
        def __init__(self):
            self._scale = 1.0

        @property
        def scale(self):
            return self._scale * 2

    config = Config()
    compiled = compile(lambda x: x * config.scale)
    for scale in phases(1.0, 2.0, 1.0):
        config._scale = scale
        yield compiled(data(4, 8))


@program
def dynamic_attribute_lookup(compile):
    class Config:
        def __init__(self):
            self.store = {"scale": 1.0}

        def __getattr__(self, name):
            return self.__dict__["store"][name]

    config = Config()
    compiled = compile(lambda x: x * config.scale)
    for scale in phases(1.0, 2.0, 1.0):
        config.store["scale"] = scale
        yield compiled(data(4, 8))


@program
def dynamic_attribute_becomes_real(compile):
    class Config:
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return 3.0

    config = Config()
    compiled = compile(lambda x: x * config.scale)
    for real, first in first_of_phase([False, True, False]):
        if first and real:
            config.scale = 1.0
        elif first:
            vars(config).pop("scale", None)
        yield compiled(data(4, 8))


@program
def slots(compile):
    class Config:
        __slots__ = ("bias", "scale")

    config = Config()
    config.bias = 0.0
    compiled = compile(lambda x: x * config.scale + config.bias)
    for scale in phases(1.0, 2.0, 1.0):
        config.scale = scale
        yield compiled(data(4, 8))


@program
def data_descriptor(compile):
    class Scaled:
        def __init__(self):
            self.values = {}

        def __get__(self, owner, kind=None):
            return self.values.get(id(owner), 1.0) * self.factor

        def __set__(self, owner, value):
            self.values[id(owner)] = value

    class Config:
        scale = Scaled()

    config = Config()
    vars(Config)["scale"].factor = 1.0
    compiled = compile(lambda x: x * config.scale)
    for scale, factor in phases((1.0, 1.0), (2.0, 1.0), (2.0, 3.0), (1.0, 1.0)):
        config.scale = scale
        vars(Config)["scale"].factor = factor
        yield compiled(data(4, 8))


@program
def dataclass_fields(compile):
    @dataclasses.dataclass
    class Config:
        scale: float = 1.0
        layers: list = dataclasses.field(default_factory=lambda: [1.0])

    config = Config()

    def f(x):
        for layer in config.layers:
            x = x * config.scale + layer
        return x

    compiled = compile(f)
    for scale, layers in phases((1.0, [1.0]), (2.0, [1.0]), (2.0, [1.0, 2.0]), (1.0, [1.0])):
        config.scale = scale
        config.layers = layers
        yield compiled(data(4, 8))


@program
def frozen_dataclass_replaced(compile):
    @dataclasses.dataclass(frozen=True)
    class Config:
        scale: float

    holder = types.SimpleNamespace(config=Config(1.0))
    compiled = compile(lambda x: x * holder.config.scale)
    for scale in phases(1.0, 2.0, 1.0):
        holder.config = dataclasses.replace(holder.config, scale=scale)
        yield compiled(data(4, 8))


@program
def object_replaced_by_equal_looking(compile):
    class Config:
        def __init__(self, scale):
            self.scale = scale

        def __eq__(self, other):
            return True

        __hash__ = None

    holder = {"config": Config(1.0)}
    compiled = compile(lambda x: x * holder["config"].scale)
    for scale in phases(1.0, 2.0, 1.0):
        holder["config"] = Config(scale)
        yield compiled(data(4, 8))


@program
def isinstance_of_changing_class(compile):
    class Even:
        pass

    class Odd:
        pass

    holder = types.SimpleNamespace(tag=Even())
    compiled = compile(lambda x: x + 1 if isinstance(holder.tag, Even) else x - 1)
    for kind in phases(Even, Odd, Even):
        holder.tag = kind()
        yield compiled(data(4, 8))


@program
def isinstance_hook_changes(compile):
    class Meta(type):
        answer = True

        def __instancecheck__(cls, instance):
            return Meta.answer

    class Marker(metaclass=Meta):
        pass

    compiled = compile(lambda x: x + 1 if isinstance(3, Marker) else x - 1)
    for answer in phases(True, False, True):
        Meta.answer = answer
        yield compiled(data(4, 8))


@program
def hasattr_answer_changes(compile):
    holder = types.SimpleNamespace()
    compiled = compile(lambda x: x * 2 if hasattr(holder, "double") else x)
    for present, first in first_of_phase([False, True, False]):
        if first and present:
            holder.double = None
        elif first:
            vars(holder).pop("double", None)
        yield compiled(data(4, 8))


@program
def attributes_enumerated(compile):
    holder = types.SimpleNamespace(a=1.0)

    def f(x):
        for value in vars(holder).values():
            x = x * value + 1
        return x

    compiled = compile(f)
    for extra, first in first_of_phase([False, True, False]):
        if first and extra:
            holder.b = 3.0
        elif first:
            vars(holder).pop("b", None)
        yield compiled(data(4, 8))


@program
def user_sequence(compile):
    class Factors:
        def __init__(self):
            self.items = [1.0, 2.0]

        def __len__(self):
            return len(self.items)

        def __getitem__(self, index):
            return self.items[index]

    factors = Factors()

    def f(x):
        for factor in factors:
            x = x * factor + len(factors)
        return x

    compiled = compile(f)
    for items in phases([1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 1.0]):
        factors.items = items
        yield compiled(data(4, 8))


@program
def ordered_and_default_dict(compile):
    ordered = collections.OrderedDict(a=2.0, b=3.0)
    counts = collections.defaultdict(lambda: 1.0)

    def f(x):
        for value in ordered.values():
            x = x * value + 1
        return x * counts.get("k", 0.5)

    compiled = compile(f)
    for change, first in first_of_phase(["none", "order", "key"]):
        if first and change == "order":
            ordered.move_to_end("a")
        elif first and change == "key":
            counts["k"] = 4.0
        yield compiled(data(4, 8))


@program
def deque_contents(compile):
    window = collections.deque([1.0, 2.0], maxlen=2)

    def f(x):
        for value in window:
            x = x * value + 1
        return x

    compiled = compile(f)
    for value, first in first_of_phase([3.0, 4.0, 5.0]):
        if first:
            window.append(value)
        yield compiled(data(4, 8))


@program
def named_tuple_replaced(compile):
    Config = collections.namedtuple("Config", "scale bias")
    holder = [Config(1.0, 0.0)]
    compiled = compile(lambda x: x * holder[0].scale + holder[0].bias)
    for config in phases(Config(1.0, 0.0), Config(2.0, 0.0), Config(1.0, 0.0)):
        holder[0] = config
        yield compiled(data(4, 8))


@program
def tensor_inside_object(compile):
    holder = types.SimpleNamespace(bias=data(8))
    compiled = compile(lambda x: (x + holder.bias).relu())
    for factor, first in first_of_phase([1.0, 2.0, 3.0]):
        if first:
            holder.bias = data(8) * factor
        yield compiled(data(4, 8))


@program
def tensor_inside_object_changes_dtype(compile):
    holder = types.SimpleNamespace(bias=data(8))
    compiled = compile(lambda x: x + holder.bias)
    for dtype in phases(torch.float32, torch.float64, torch.int32, torch.float32):
        holder.bias = data(8).to(dtype)
        yield compiled(data(4, 8))


@program
def bound_method_of_other_object(compile):
    class Layer:
        def __init__(self, scale):
            self.scale = scale

        def apply(self, x):
            return x * self.scale

    layers = [Layer(2.0), Layer(3.0)]
    holder = types.SimpleNamespace(apply=layers[0].apply)
    compiled = compile(lambda x: holder.apply(x))
    for index, scale in phases((0, 2.0), (1, 3.0), (1, 4.0), (0, 2.0)):
        layers[index].scale = scale
        holder.apply = layers[index].apply
        yield compiled(data(4, 8))


@program
def operator_overloads(compile):
    class Scale:
        def __init__(self, value):
            self.value = value

        def __call__(self, x):
            return x * self.value

        def __bool__(self):
            return self.value > 2

    scale = Scale(1.0)
    compiled = compile(lambda x: scale(x) + 1 if scale else scale(x))
    for value in phases(1.0, 3.0, 1.0):
        scale.value = value
        yield compiled(data(4, 8))
