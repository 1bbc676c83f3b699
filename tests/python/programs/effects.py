"""Calls that act on the world besides returning: lists, counters, prints, files, attributes, exceptions."""

import io
import logging
import threading
import types
import warnings

import torch
from eager_equality import Kept, attempt
from torch import nn

from . import data, first_of_phase, phases, program


@program(refusable="appends to an outside list")
def output_appended_to_a_list(compile):
    seen = []

    def f(x):
        seen.append(x.sum())
        return x * 2

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), list(seen)


@program(refusable="counts calls in a global")
def global_counter(compile):
    global calls
    calls = 0

    def f(x):
        global calls
        calls += 1
        return x + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), calls


@program(refusable="counts calls in a closure")
def closure_counter(compile):
    def make():
        calls = 0

        def f(x):
            nonlocal calls
            calls += 1
            return x * calls

        return f, lambda: calls

    f, count = make()
    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), count()


@program(refusable="prints")
def prints(compile):
    def f(x):
        print("called with", tuple(x.shape))
        return x + 1

    compiled = compile(f)
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))


@program(refusable="prints values")
def prints_a_tensor(compile):
    def f(x):
        print(x.sum())
        return x + 1

    compiled = compile(f)
    for factor in phases(1.0, 2.0):
        yield compiled(data(4, 8) * factor)


@program(refusable="writes to a file")
def writes_to_a_file(compile):
    file = io.StringIO()

    def f(x):
        file.write("x")
        return x + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), file.getvalue()


@program(refusable="logs")
def logs(compile):
    records = []

    class Keep(logging.Handler):
        def emit(self, record):
            records.append(record.getMessage())

    logger = logging.getLogger("braze.test.programs")
    logger.propagate = False
    handler = Keep()
    logger.addHandler(handler)

    def f(x):
        logger.debug("debug")
        logger.warning("warning %d", x.shape[0])
        return x + 1

    compiled = compile(f)
    for level in phases(logging.WARNING, logging.ERROR, logging.DEBUG):
        logger.setLevel(level)
        yield compiled(data(4, 8)), list(records)
    logger.removeHandler(handler)


@program(refusable="warns")
def warns(compile):
    def f(x):
        warnings.warn("careful")
        return x + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            out = compiled(data(4, 8))
        yield out, [str(warning.message) for warning in caught if "careful" in str(warning.message)]


@program(refusable="writes a dict by a name of its own")
def dict_of_statistics(compile):
    statistics = {}

    def f(x):
        statistics["mean"] = x.mean()
        statistics["calls"] = statistics.get("calls", 0) + 1
        return x - statistics["mean"]

    compiled = compile(f)
    for factor in phases(1.0, 2.0):
        yield compiled(data(4, 8) * factor), dict(statistics)


@program(refusable="caches by shape in an outside dict")
def memo_by_shape(compile):
    memo = {}

    def positions(length):
        if length not in memo:
            memo[length] = torch.arange(length, dtype=torch.float32)
        return memo[length]

    compiled = compile(lambda x: x + positions(x.shape[-1]))
    for length in phases(8, 4, 8):
        yield compiled(data(4, length)), sorted(memo)


@program(refusable="sets a class attribute")
def class_attribute_set(compile):
    class Layer:
        last = None

        def __call__(self, x):
            type(self).last = x.shape[0]
            return x + 1

    compiled = compile(Layer())
    for rows in phases(4, 5):
        Layer.last = None
        yield compiled(data(rows, 8)), Layer.last


@program(refusable="sets an attribute of an argument")
def attribute_of_argument_set(compile):
    def f(context, x):
        context.hidden = x * 2
        context.step = context.step + 1
        return context.hidden + 1

    compiled = compile(f)
    context = types.SimpleNamespace(step=0)
    for _ in phases(0, 1):
        yield compiled(context, data(4, 8)), context.hidden, context.step


@program(refusable="sets an attribute of a tensor")
def attribute_of_tensor_set(compile):
    def f(x):
        x.tag = x.shape[0]
        out = x + 1
        out.note = "made"
        return out

    compiled = compile(f)
    for rows in phases(4, 5):
        x = data(rows, 8)
        out = compiled(x)
        yield out, x.tag, out.note


@program
def attribute_of_tensor_read(compile):
    compiled = compile(lambda x: x + getattr(x, "shift", 0))
    for shift in phases(None, 2.0, 3.0, None):
        x = data(4, 8)
        if shift is not None:
            x.shift = shift
        yield compiled(x)


@program(refusable="deletes from an outside list")
def pops_from_a_list(compile):
    stack = list(range(100))
    compiled = compile(lambda x: x * stack.pop())
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), len(stack)


@program
def raises_before_any_op(compile):
    def f(x, fail):
        if fail:
            raise ValueError("asked to fail")
        return x + 1

    compiled = compile(f)
    for fail in phases(False, True, False):
        yield attempt(compiled, data(4, 8), fail)


@program
def raises_after_a_write(compile):
    limit = 4

    def f(x):
        x.add_(1)
        if x.shape[0] > limit:
            raise RuntimeError(f"more than {limit} rows")
        x.mul_(2)
        return x.sum()

    compiled = compile(f)
    for limit in phases(4, 2, 4):  # noqa: B007 - the closure reads it
        x = data(4, 8)
        yield attempt(compiled, x), Kept(x)


@program
def raises_inside_an_op(compile):
    compiled = compile(lambda x, y: (x * 2) @ y)
    for columns in phases(8, 7, 8):
        yield attempt(compiled, data(4, columns), data(8, 4))


@program
def index_out_of_range(compile):
    compiled = compile(lambda x, index: nn.functional.embedding(index, x) * 2)
    for index in phases(3, 9, 3):
        yield attempt(compiled, data(4, 8), torch.tensor([0, index]))


@program
def index_out_of_range_of_gather(compile):
    compiled = compile(
        lambda x, index: (x * 2).gather(1, index),
    )
    for index in phases(3, 99, -1, 3):
        yield attempt(compiled, data(4, 8), torch.full((4, 2), index))


@program
def class_label_out_of_range(compile):
    compiled = compile(lambda x, label: nn.functional.cross_entropy(x, label))
    for label in phases(3, 99, -100, 3):
        yield attempt(compiled, data(4, 8), torch.full((4,), label))


@program
def integer_division_by_zero(compile):
    compiled = compile(lambda x, y: x // y + 1)
    for divisor in phases(2, 0, 2):
        yield attempt(compiled, torch.arange(8), torch.full((8,), divisor))


@program
def integer_remainder_by_zero(compile):
    compiled = compile(lambda x, y: x % y + 1)
    for divisor in phases(2, 0, 2):
        yield attempt(compiled, torch.arange(8), torch.full((8,), divisor))


@program
def exception_caught_inside(compile):
    def f(x, y):
        try:
            return x @ y
        except RuntimeError:
            return x + 1

    compiled = compile(f)
    for columns in phases(8, 7, 8):
        yield compiled(data(4, columns), data(8, 4))


@program
def finally_runs(compile):
    state = {"depth": 0}

    def f(x, y):
        state["depth"] += 1
        try:
            return x @ y
        finally:
            state["depth"] -= 1

    compiled = compile(f)
    for columns in phases(8, 7, 8):
        yield attempt(compiled, data(4, columns), data(8, 4)), state["depth"]


@program
def context_manager_of_user(compile):
    class Scaled:
        factor = 1.0

        def __init__(self, factor):
            self.factor = factor

        def __enter__(self):
            self.before, Scaled.factor = Scaled.factor, self.factor

        def __exit__(self, *details):
            Scaled.factor = self.before

    factor = 2.0

    def f(x):
        with Scaled(factor):
            return x * Scaled.factor

    compiled = compile(f)
    for factor in phases(2.0, 3.0):  # noqa: B007 - the closure reads it
        yield compiled(data(4, 8)), Scaled.factor


@program(refusable="seeds Python's generator")
def python_generator_seeded(compile):
    import random

    def f(x):
        random.seed(4)
        return x + random.random()

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), random.random()


@program(refusable="consumes its argument")
def iterator_argument_consumed(compile):
    compiled = compile(lambda x, numbers: x + next(numbers))
    numbers = iter(range(100))
    for _ in phases(0, 1):
        yield compiled(data(4, 8), numbers)


@program
def lock_taken_inside(compile):
    lock = threading.Lock()

    def f(x):
        with lock:
            return x + 1

    compiled = compile(f)
    for rows in phases(4, 5):
        yield compiled(data(rows, 8)), lock.locked()


@program
def lock_asked_for(compile):
    lock = threading.Lock()

    def f(x):
        if lock.acquire(blocking=False):
            lock.release()
            return x + 1
        return x - (2 if lock.locked() else 3)

    compiled = compile(f)
    for is_held, first in first_of_phase([False, True, False]):
        if first and (is_held or lock.locked()):
            (lock.acquire if is_held else lock.release)()
        yield compiled(data(4, 8)), lock.locked()


@program(refusable="who owns a reentrant lock is asked of the running thread")
def condition_asked_for(compile):
    condition = threading.Condition()
    compiled = compile(lambda x: x * (2 if condition._is_owned() else 3))
    for is_held, first in first_of_phase([False, True]):
        if first and is_held:
            condition.acquire()
        yield compiled(data(4, 8))


@program
def tensor_hook_of_argument(compile):
    compiled = compile(lambda x: x * 2)
    for hooked in phases(False, True):
        with torch.enable_grad():
            x = data(4, 8).requires_grad_()
            if hooked:
                x.register_hook(lambda gradient: gradient * 10)
            out = compiled(x)
            out.sum().backward()
        yield out, x.grad


@program
def function_redefined_between(compile):
    space = {"torch": torch}
    source = "def stage(x):\n    return x * {}"
    exec(source.format(2), space)
    compiled = compile(lambda x: space["stage"](x) + 1)
    for factor, first in first_of_phase([2, 3, 2]):
        if first:
            exec(source.format(factor), space)
        yield compiled(data(4, 8))
