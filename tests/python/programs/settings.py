"""Functions that read settings: numbers and text in dicts, lists, sets, enums, partials, caches and variables."""

import contextvars
import enum
import functools
import types

import torch

from . import data, first_of_phase, phases, program

SETTINGS = {"scale": 1.0, "unused": 0}
LAYERS = [1.0, 2.0]
NAMES = {"relu"}
level = contextvars.ContextVar("level", default=1.0)


@program
def dict_contents(compile):
    def f(x):
        return x * SETTINGS["scale"]

    compiled = compile(f)
    for scale in phases(1.0, 2.0, 1.0):
        SETTINGS["scale"] = scale
        SETTINGS["unused"] += 1
        yield compiled(data(4, 8))
    SETTINGS.update(scale=1.0, unused=0)


@program
def dict_key_appears(compile):
    options = {}

    def f(x):
        return x + 1 if "shift" in options else x - 1

    compiled = compile(f)
    for present, first in first_of_phase([False, True, False]):
        if first:
            options.clear()
            if present:
                options["shift"] = True
        yield compiled(data(4, 8))


@program
def dict_order(compile):
    stages = {"double": 2.0, "shift": 1.0}

    def f(x):
        for name, value in stages.items():
            x = x * value if name == "double" else x + value
        return x

    compiled = compile(f)
    for name, first in first_of_phase(["double", "shift", "double"]):
        if first:
            stages[name] = stages.pop(name)
        yield compiled(data(4, 8))


@program
def list_contents(compile):
    def f(x):
        for value in LAYERS:
            x = x * value + 1
        return x

    compiled = compile(f)
    for values in phases([1.0, 2.0], [1.0, 3.0], [1.0, 3.0, 0.5], [1.0, 2.0]):
        LAYERS[:] = values
        yield compiled(data(4, 8))
    LAYERS[:] = [1.0, 2.0]


@program
def list_of_functions(compile):
    stages = [torch.relu]

    def f(x):
        for stage in stages:
            x = stage(x)
        return x

    compiled = compile(f)
    for stage in phases(torch.relu, torch.tanh, torch.neg):
        stages[0] = stage
        yield compiled(data(4, 8))


@program
def nested_container_contents(compile):
    tree = {"a": [{"factors": (1.0, [2.0])}]}

    def f(x):
        return x * tree["a"][0]["factors"][1][0]

    compiled = compile(f)
    for factor in phases(2.0, 3.0, 2.0):
        tree["a"][0]["factors"][1][0] = factor
        yield compiled(data(4, 8))


@program
def set_contents(compile):
    def f(x):
        return x.relu() if "relu" in NAMES else x.neg()

    compiled = compile(f)
    for name in phases("relu", "neg", "relu"):
        NAMES.clear()
        NAMES.add(name)
        yield compiled(data(4, 8))
    NAMES.clear()
    NAMES.add("relu")


@program
def enum_member(compile):
    class Mode(enum.Enum):
        ADD = "add"
        MULTIPLY = "multiply"

    mode = Mode.ADD

    def f(x):
        return x + 3 if mode is Mode.ADD else x * 3

    compiled = compile(f)
    for mode in phases(Mode.ADD, Mode.MULTIPLY, Mode.ADD):  # noqa: B007 - the closure reads it
        yield compiled(data(4, 8))


@program
def partial_replaced(compile):
    def scaled(factor, x, bias=0.0):
        return x * factor + bias

    part = functools.partial(scaled, 2.0)

    def f(x):
        return part(x)

    compiled = compile(f)
    for part in phases(  # noqa: B007 - the closure reads it
        functools.partial(scaled, 2.0), functools.partial(scaled, 3.0), functools.partial(scaled, 3.0, bias=1.0)
    ):
        yield compiled(data(4, 8))


@program
def partial_keywords_written(compile):
    def scaled(x, factor):
        return x * factor

    part = functools.partial(scaled, factor=2.0)
    compiled = compile(lambda x: part(x))
    for factor in phases(2.0, 5.0, 2.0):
        part.keywords["factor"] = factor
        yield compiled(data(4, 8))


@program
def lru_cache_cleared(compile):
    source = {"factor": 1.0}

    @functools.lru_cache
    def factor():
        return source["factor"]

    compiled = compile(lambda x: x * factor())
    for value, cleared in phases((1.0, False), (2.0, False), (2.0, True), (3.0, False)):
        source["factor"] = value
        if cleared:
            factor.cache_clear()
        yield compiled(data(4, 8))


@program
def context_variable(compile):
    compiled = compile(lambda x: x * level.get())
    for value in phases(1.0, 2.0, 1.0):
        token = level.set(value)
        yield compiled(data(4, 8))
        level.reset(token)


@program
def default_of_a_context_variable(compile):
    """The object that the variable gives where nobody has set it."""
    settings = types.SimpleNamespace(factor=1.0)
    variable = contextvars.ContextVar("settings", default=settings)
    compiled = compile(lambda x: x * variable.get().factor)
    for factor in phases(1.0, 2.0):
        settings.factor = factor
        yield compiled(data(4, 8))
    variable.set(types.SimpleNamespace(factor=5.0))
    yield compiled(data(4, 8))


@program
def context_variable_in_other_contexts(compile):
    variable = contextvars.ContextVar("level", default=1.0)
    compiled = compile(lambda x: x * variable.get())
    first, second = contextvars.copy_context(), contextvars.copy_context()
    second.run(variable.set, 5.0)
    for context in phases(first, second, first):
        yield context.run(compiled, data(4, 8))


@program
def name_formed_as_text(compile):
    holder = types.SimpleNamespace(w0=1.0, w1=2.0)

    def f(x):
        for index in range(2):
            x = x * getattr(holder, f"w{index}")
        return x

    compiled = compile(f)
    for value in phases(2.0, 5.0, 2.0):
        holder.w1 = value
        yield compiled(data(4, 8))


@program
def function_chosen_by_name(compile):
    choice = "relu"

    def f(x):
        return getattr(torch, choice)(x)

    compiled = compile(f)
    for choice in phases("relu", "tanh", "relu"):  # noqa: B007 - the closure reads it
        yield compiled(data(4, 8))


@program
def eval_of_text(compile):
    expression = "x + 1"

    def f(x):
        return eval(expression, {"x": x})

    compiled = compile(f)
    for expression in phases("x + 1", "x * 3", "x + 1"):  # noqa: B007 - the closure reads it
        yield compiled(data(4, 8))


@program
def warning_count_state(compile):
    flags = {"seen": False}

    def f(x):
        if not flags["seen"]:
            return x
        return x + 1

    compiled = compile(f)
    for seen in phases(False, True, False):
        flags["seen"] = seen
        yield compiled(data(4, 8))


@program
def nan_setting(compile):
    value = {"fill": float("nan")}
    compiled = compile(lambda x: x + value["fill"])
    for fill in phases(float("nan"), 1.0, float("inf"), float("nan")):
        value["fill"] = fill
        yield compiled(data(4, 8))


@program
def negative_zero_setting(compile):
    value = {"fill": 0.0}
    compiled = compile(lambda x: 1 / (x * value["fill"]))
    for fill in phases(0.0, -0.0, 0.0):
        value["fill"] = fill
        yield compiled(torch.ones(4, 8))


@program
def number_type_changes(compile):
    value = {"step": 2}
    compiled = compile(lambda x: x * value["step"])
    for step in phases(2, 2.0, True, 2):
        value["step"] = step
        yield compiled(data(4, 8, dtype=torch.int64))


@program
def large_integer_setting(compile):
    value = {"offset": 2**40}
    compiled = compile(lambda x: x + value["offset"])
    for offset in phases(2**40, 2**40 + 1, 2**40):
        value["offset"] = offset
        yield compiled(data(4, 8, dtype=torch.int64))
