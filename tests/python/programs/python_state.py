"""Functions that read Python state outside their arguments: globals, closures, defaults, patched functions, imports."""

import math
import os
import random
import sys
import time
import types

import torch

from . import data, first_of_phase, phases, program

SCALE = 1.0
WEIGHT = None


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
