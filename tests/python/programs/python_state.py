"""Functions that read Python state outside their arguments: globals, closures, defaults, patched functions, imports."""

import contextvars
import enum
import functools
import math
import os
import random
import sys
import time
import types

import torch

from . import data, first_of_phase, phases, program

SCALE = 1.0
SETTINGS = {"scale": 1.0, "unused": 0}
LAYERS = [1.0, 2.0]
NAMES = {"relu"}
WEIGHT = None
level = contextvars.ContextVar("level", default=1.0)


def helper(x):
    return x + 1


@program
def global_number(compile):
    def f(x):
        return x * SCALE + 1

    global SCALE
    f = compile(f)
    for SCALE in phases(1.0, 3.0, 1.0, -2.0):
        yield f(data(4, 8))
    SCALE = 1.0


@program
def global_number_deleted(compile):
    from eager_equality import attempt

    space = {"torch": torch, "factor": 2.0}
    exec("def f(x):\n    return x * factor", space)
    f = compile(space["f"])
    for present, first in first_of_phase([True, False, True]):
        if first and present:
            space["factor"] = 3.0
        elif first:
            del space["factor"]
        yield attempt(f, data(5))


@program
def global_shadows_builtin(compile):
    space = {}
    exec("def f(x):\n    return x * abs(-2)", space)
    f = compile(space["f"])
    for shadow, first in first_of_phase([False, True, False]):
        if first and shadow:
            space["abs"] = lambda value: 10
        elif first:
            space.pop("abs", None)
        yield f(data(5))


@program
def global_tensor_replaced(compile):
    global WEIGHT

    def f(x):
        return x @ WEIGHT

    f = compile(f)
    for factor in phases(1.0, 2.0, 5.0):
        WEIGHT = data(8, 3) * factor
        yield f(data(4, 8))
    WEIGHT = None


@program
def global_tensor_written(compile):
    global WEIGHT

    def f(x):
        return (x + WEIGHT).relu()

    WEIGHT = data(8)
    f = compile(f)
    for step in phases(0.0, 1.0, 2.0):
        WEIGHT.add_(step)
        yield f(data(4, 8))
    WEIGHT = None


@program
def closure_number(compile):
    factor = 1.0

    def f(x):
        return x * factor

    f = compile(f)
    for factor in phases(1.0, 2.0, 1.0):  # noqa: B007 - the closure reads it
        yield f(data(4, 8))


@program
def closure_written_by_another_function(compile):
    def make():
        bias = 0.0

        def f(x):
            return x + bias

        def set_bias(value):
            nonlocal bias
            bias = value

        return f, set_bias

    f, set_bias = make()
    f = compile(f)
    for bias in phases(0.0, 4.0, 0.0):
        set_bias(bias)
        yield f(data(4, 8))


@program
def closure_tensor_replaced(compile):
    weight = data(8)

    def f(x):
        return x * weight

    f = compile(f)
    for factor, first in first_of_phase([1.0, 2.0, 3.0]):
        if first:
            weight = data(8) * factor
        yield f(data(4, 8))


@program
def default_argument_replaced(compile):
    def f(x, scale=1.0, *, bias=0.0):
        return x * scale + bias

    compiled = compile(f)
    for scale, bias in phases((1.0, 0.0), (2.0, 0.0), (2.0, 5.0), (1.0, 0.0)):
        f.__defaults__ = (scale,)
        f.__kwdefaults__["bias"] = bias
        yield compiled(data(4, 8))


@program
def default_list_grown(compile):
    def f(x, terms=[1.0]):
        for term in terms:
            x = x * 2 + term
        return x

    compiled = compile(f)
    for length in phases(1, 2, 3):
        while len(f.__defaults__[0]) < length:
            f.__defaults__[0].append(3.0)
        yield compiled(data(4, 8))


@program
def callee_monkeypatched(compile):
    def f(x):
        return helper(x) * 2

    original = helper
    compiled = compile(f)
    for patched in phases(False, True, False):
        globals()["helper"] = (lambda x: x - 100) if patched else original
        yield compiled(data(4, 8))
    globals()["helper"] = original


@program
def callee_code_replaced(compile):
    def inner(x):
        return x + 1

    def other(x):
        return x - 1

    def f(x):
        return inner(x) * 2

    plus, minus = inner.__code__, other.__code__
    compiled = compile(f)
    for code in phases(plus, minus, plus):
        inner.__code__ = code
        yield compiled(data(4, 8))


@program
def torch_function_monkeypatched(compile):
    def f(x):
        return torch.relu(x)

    original = torch.relu
    compiled = compile(f)
    for patched in phases(False, True, False):
        torch.relu = torch.sigmoid if patched else original
        yield compiled(data(4, 8))
    torch.relu = original


@program
def functional_module_monkeypatched(compile):
    def f(x):
        return torch.nn.functional.gelu(x)

    original = torch.nn.functional.gelu
    compiled = compile(f)
    for patched in phases(False, True, False):
        torch.nn.functional.gelu = torch.nn.functional.silu if patched else original
        yield compiled(data(4, 8))
    torch.nn.functional.gelu = original


@program
def tensor_method_monkeypatched(compile):
    def f(x):
        return x.relu() + 1

    compiled = compile(f)
    for patched, first in first_of_phase([False, True, False]):
        if first and patched:
            torch.Tensor.relu = torch.Tensor.sigmoid
        elif first and "relu" in vars(torch.Tensor):
            del torch.Tensor.relu
        yield compiled(data(4, 8))


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
def module_looked_up_in_sys_modules(compile):
    name = "braze_test_settings"
    compiled = compile(lambda x: x * sys.modules[name].factor)
    for factor, first in first_of_phase([1.0, 2.0, 3.0]):
        if first:
            sys.modules[name] = types.SimpleNamespace(factor=factor)
        yield compiled(data(4, 8))
    del sys.modules[name]


@program
def module_imported_inside(compile):
    name = "braze_test_imported"

    def f(x):
        import braze_test_imported

        return x + braze_test_imported.bias

    compiled = compile(f)
    for bias, first in first_of_phase([1.0, 2.0, 1.0]):
        if first:
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].bias = bias
        yield compiled(data(4, 8))
    del sys.modules[name]


@program(refusable="reads the environment")
def environment_variable(compile):
    def f(x):
        return x * float(os.environ.get("BRAZE_TEST_FACTOR", "1"))

    compiled = compile(f)
    for factor in phases("1", "2", "1"):
        os.environ["BRAZE_TEST_FACTOR"] = factor
        yield compiled(data(4, 8))
    del os.environ["BRAZE_TEST_FACTOR"]


@program(refusable="reads the clock")
def clock(compile):
    ticks = iter(range(1000))
    original = time.time

    def f(x):
        return x + math.floor(time.time())

    compiled = compile(f)
    time.time = lambda: next(ticks) // 7
    try:
        for _ in phases(0, 1, 2):
            yield compiled(data(4, 8))
    finally:
        time.time = original


@program(refusable="draws a number from Python's generator")
def python_random(compile):
    def f(x):
        return x * random.choice([1.0, 2.0, 3.0]) + random.random()

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), random.getstate()[1][-1]


@program(refusable="draws a number from NumPy's generator")
def numpy_random(compile):
    import numpy

    numpy.random.seed(0)
    compiled = compile(lambda x: x * float(numpy.random.randint(1, 4)))
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program(refusable="advances an iterator made outside")
def outside_iterator(compile):
    numbers = iter(range(100))
    compiled = compile(lambda x: x + next(numbers))
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program(refusable="resumes a generator made outside")
def outside_generator(compile):
    def numbers():
        value = 0
        while True:
            value += 2
            yield value

    source = numbers()

    def f(x):
        for value in source:
            return x + value

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def generator_made_inside(compile):
    factors = [1.0, 2.0]

    def stages():
        yield from factors

    def f(x):
        for factor in stages():
            x = x * factor + 1
        return x

    compiled = compile(f)
    for last in phases(2.0, 4.0, 2.0):
        factors[1] = last
        yield compiled(data(4, 8))


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
def function_attribute(compile):
    def f(x):
        return x * inner.factor

    def inner():
        pass

    inner.factor = 1.0
    compiled = compile(f)
    for factor in phases(1.0, 2.0, 1.0):
        inner.factor = factor
        yield compiled(data(4, 8))


@program(refusable="reads the call stack")
def caller_frame_local(compile):
    def f(x):
        return x * sys._getframe().f_code.co_argcount * OUTSIDE["factor"]

    compiled = compile(f)
    for factor in phases(1.0, 2.0):
        OUTSIDE["factor"] = factor
        yield compiled(data(4, 8))


OUTSIDE = {"factor": 1.0}


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
