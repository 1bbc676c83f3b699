"""Facts that code reads of functions, classes, tensors and the interpreter without calling or computing anything."""

import abc
import dataclasses
import functools
import gc
import inspect
import os
import sys
import threading
import types
import typing
import warnings
import weakref

import torch
import torch.nn.functional as F
from torch import nn

from programs import at_positions, data, first_of_phase, phases, program


@program
def defaults_of_a_function_not_called(compile):
    def scaled(x, factor=2.0):
        return x * factor

    f = compile(lambda x: x * scaled.__defaults__[0])
    for factor in phases(2.0, 3.0):
        scaled.__defaults__ = (factor,)
        yield f(data(4))


@program
def signature_inspected(compile):
    def scaled(x, factor=2.0):
        return x * factor

    f = compile(lambda x: x * inspect.signature(scaled).parameters["factor"].default)
    for factor in phases(2.0, 3.0):
        scaled.__defaults__ = (factor,)
        yield f(data(4))


@program
def name_and_doc_of_a_function(compile):
    def act(x):
        "ab"

    f = compile(lambda x: x * (2 if act.__name__ == "act" else 3) * len(act.__doc__))
    for name, doc in phases(("act", "ab"), ("other", "ab"), ("other", "abc")):
        act.__name__, act.__doc__ = name, doc
        yield f(data(4))


@program
def code_of_a_function_not_called(compile):
    def one(a):
        return a

    def two(a, b):
        return a

    functions = [one]
    f = compile(lambda x: x * functions[0].__code__.co_argcount)
    for number, first in first_of_phase((1, 2)):
        if first and number == 2:
            one.__code__ = two.__code__
        yield f(data(4))


@program
def closure_of_a_function_not_called(compile):
    factor = 2.0

    def inner():
        return factor

    f = compile(lambda x: x * inner.__closure__[0].cell_contents)
    for factor in phases(2.0, 3.0):
        yield f(data(4))


@program
def name_of_a_class(compile):
    class Block:
        pass

    block = Block()
    f = compile(lambda x: x * 2 if type(block).__name__ == "Block" else x + 1)
    for name in phases("Block", "Other"):
        Block.__name__ = name
        yield f(data(4))


@program
def annotations_of_a_class(compile):
    class Fields:
        a: int

    f = compile(lambda x: x * len(typing.get_type_hints(Fields)) * len(Fields.__annotations__))
    for number in phases(0, 1):
        if number:
            Fields.__annotations__["b"] = int
        yield f(data(4))


@program
def fields_of_a_dataclass(compile):
    @dataclasses.dataclass
    class Settings:
        a: int = 1

    f = compile(lambda x: x * len(dataclasses.fields(Settings)))
    for number in phases(0, 1):
        if number:
            Settings.__dataclass_fields__["b"] = Settings.__dataclass_fields__["a"]
        yield f(data(4))


@program
def class_registered_with_an_abstract_one(compile):
    class Drawable(abc.ABC):
        pass

    class Shape:
        pass

    shape = Shape()
    f = compile(lambda x: x * 2 if isinstance(shape, Drawable) else x + 1)
    for number, first in first_of_phase((0, 1)):
        if first and number:
            Drawable.register(Shape)
        yield f(data(4))


@program
def type_registered_for_single_dispatch(compile):
    @functools.singledispatch
    def factor(value):
        return 1

    class Special:
        pass

    special = Special()
    f = compile(lambda x: x * factor(special))
    for number, first in first_of_phase((0, 1)):
        if first and number:
            factor.register(Special, lambda value: 5)
        yield f(data(4))


@program
def namespaces_compared(compile):
    wanted, settings = types.SimpleNamespace(q=1), types.SimpleNamespace(q=1)
    f = compile(lambda x: x * 2 if settings == wanted else x + 1)
    for q in phases(1, 2, 1):
        settings.q = q
        yield f(data(4))


@program
def namespace_printed(compile):
    settings = types.SimpleNamespace(q=1)
    f = compile(lambda x: x * len(repr(settings)))
    for q in phases(1, 20000, 1):
        settings.q = q
        yield f(data(4))


@program(refusable="whether garbage is collected is not guarded")
def garbage_collection_asked_for(compile):
    f = compile(lambda x: x * 2 if gc.isenabled() else x + 1)
    for enabled in phases(True, False, True):
        (gc.enable if enabled else gc.disable)()
        try:
            yield f(data(4))
        finally:
            gc.enable()


@program(refusable="which thread runs is not guarded")
def thread_asked_for(compile):
    f = compile(lambda x: x * 2 if threading.current_thread() is threading.main_thread() else x + 1)
    results = []

    def work():
        with torch.no_grad():
            results.append(f(data(4)))

    for elsewhere in phases(False, True, False):
        if elsewhere:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        yield results.pop() if elsewhere else f(data(4))


@program(refusable="the caller's line decides where the warning is shown")
def warning_of_a_library_that_is_raised(compile):
    f = compile(lambda x: F.softmax(x))
    for action in phases("ignore", "error"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            try:
                result = f(data(3, 4))
            except Warning:
                result = "raised"
        yield result


@program
def flag_of_a_library_class(compile):
    f = compile(lambda m, s: torch.distributions.Normal(m, s).log_prob(m))
    try:
        for validate in phases(False, True, False):
            torch.distributions.Distribution.set_default_validate_args(validate)
            try:
                result = f(data(4), -torch.ones(4))
            except ValueError:
                result = "refused"
            yield result
    finally:
        torch.distributions.Distribution.set_default_validate_args(True)


@program
def base_of_an_argument(compile):
    f = compile(lambda x: x * 2 if x._base is None else x._base.sum() + x)
    for size in phases(0, 1, 2):
        yield f(data(4).clone() if not size else data(4 * size).clone()[:4])


@program
def gradient_of_tensors_asked_for(compile):
    plain, weight = torch.ones(4), nn.Parameter(torch.ones(4))
    f = compile(lambda x: x * (2 if plain.grad is None else 3) * (5 if weight.grad is None else 7))
    for number, first in first_of_phase((0, 1, 2)):
        if first and number:
            (plain if number == 1 else weight).grad = torch.ones(4)
        yield f(data(4))


@program
def gradient_of_an_argument_asked_for(compile):
    f = compile(lambda x: x * (2 if x.grad is None else 3))
    for has_gradient in phases(False, True, False):
        x = data(4)
        if has_gradient:
            x.grad = torch.ones(4)
        yield f(x)


@program
def gradient_retained_or_not(compile):
    f = compile(lambda x: x * 2 if x.retains_grad else x + 1)
    for retains in phases(False, True, False):
        with torch.enable_grad():
            x = data(4).requires_grad_() * 1
            if retains:
                x.retain_grad()
        yield f(x)


@program
def detached_results(compile):
    weight = torch.ones(4, requires_grad=True)
    f = compile(lambda x: (weight.detach(), weight.detach()[1:], weight[1:].detach(), x * 2))
    for graded in phases(False, True):
        with torch.set_grad_enabled(graded):
            results = f(data(4))
        yield [(t.requires_grad, t._is_view(), t._base is weight) for t in results], results


@program
def results_that_view_one_another(compile):
    def f(x):
        y = x * 2
        return y[1:], y, y.view(-1), y.detach()

    f = compile(f)
    for number in phases(0, 1):
        results = f(data(4) + number)
        results[0].add_(1)
        yield results, [t._is_view() for t in results], results[0]._base is results[1], results[1]._version


@program
def index_whose_result_is_not_used(compile):
    def f(x, i):
        x[i]
        return x + 1

    yield from at_positions(compile(f))


@program
def operator_in_python_counts_its_runs(compile):
    runs = []

    @torch.library.custom_op("hidden_facts::counted", mutates_args=())
    def counted(x: torch.Tensor) -> torch.Tensor:
        runs.append(1)
        print("run")
        return x * 2

    f = compile(lambda x: counted(x) + 1)
    for number in phases(0, 1):
        yield f(data(4) + number), len(runs)


@program
def operator_in_python_decides_its_strides(compile):
    settings = {"transposed": False}

    @torch.library.custom_op("hidden_facts::laid_out", mutates_args=())
    def laid_out(x: torch.Tensor) -> torch.Tensor:
        return (x * 2).t().contiguous().t() if settings["transposed"] else x * 2

    f = compile(lambda x: (laid_out(x), laid_out(x) + 1))
    for settings["transposed"] in phases(False, True):
        yield f(data(3, 4))


@program(refusable="what an operator in Python does besides is done once")
def operator_in_python_before_a_value_is_read(compile):
    runs = []

    @torch.library.custom_op("hidden_facts::counted_once", mutates_args=())
    def counted_once(x: torch.Tensor) -> torch.Tensor:
        runs.append(1)
        return x * 2

    def f(x):
        y = counted_once(x)
        return y * 2 if y.sum() > 0 else y

    f = compile(f)
    for shift in phases(5, -5, 5):
        yield f(data(4) + shift), len(runs)


@program
def tuples_of_the_caller_returned(compile):
    def f(x, pair):
        return {"sum": x + pair[0], "pair": pair, "inner": (pair[1], x)}

    f = compile(f)
    for number in phases(0, 1):
        pair = (data(4), (number, data(2)))
        result = f(data(4), pair)
        yield result, result["pair"] is pair, result["inner"][0] is pair[1]


@program
def tuple_of_the_caller_kept(compile):
    class Keeper:
        kept = None

    keeper = Keeper()

    def f(x, pair):
        keeper.kept = pair
        return x * 2

    f = compile(f)
    for number in phases(0, 1):
        pair = (data(4), number)
        yield f(data(4), pair), keeper.kept is pair


@program(refusable="a limit of the interpreter is not guarded")
def limit_of_the_interpreter(compile):
    f = compile(lambda x: x * (1 if sys.getrecursionlimit() > 1500 else 2))
    before = sys.getrecursionlimit()
    try:
        for limit in phases(1400, 3000):
            sys.setrecursionlimit(limit)
            yield f(data(4))
    finally:
        sys.setrecursionlimit(before)


@program(refusable="the context of decimal arithmetic is not guarded")
def decimal_precision(compile):
    import decimal

    f = compile(lambda x: x * float(decimal.Decimal(1) / decimal.Decimal(3)))
    for digits in phases(28, 2):
        with decimal.localcontext() as context:
            context.prec = digits
            yield f(data(4))


@program
def environment_read_by_a_function(compile):
    f = compile(lambda x: x * float(os.getenv("BRAZE_TEST_FACTOR", "1")))
    try:
        for factor in phases(None, "2", "3"):
            if factor:
                os.environ["BRAZE_TEST_FACTOR"] = factor
            yield f(data(4))
    finally:
        os.environ.pop("BRAZE_TEST_FACTOR", None)


@program
def bases_of_a_class_replaced(compile):
    class One:
        factor = 1

    class Two:
        factor = 2

    class Block(One):
        pass

    block = Block()
    f = compile(lambda x: x * block.factor * len(Block.__mro__))
    for base in phases(One, Two):
        Block.__bases__ = (base,)
        yield f(data(4))


@program
def descriptor_that_keeps_values_by_object(compile):
    class Setting:
        def __init__(self):
            self.values = weakref.WeakKeyDictionary()

        def __get__(self, owner, cls=None):
            return self.values.get(owner, 1)

        def __set__(self, owner, value):
            self.values[owner] = value

    class Block:
        factor = Setting()

    block = Block()
    f = compile(lambda x: x * block.factor)
    for factor in phases(1, 2):
        block.factor = factor
        yield f(data(4))


@program
def order_of_hooks(compile):
    net = nn.Linear(2, 2)
    nn.init.ones_(net.weight)
    nn.init.ones_(net.bias)
    net.register_forward_hook(lambda module, given, result: result + 1)
    net.register_forward_hook(lambda module, given, result: result * 2)
    f = compile(net)
    for number, first in first_of_phase((0, 1)):
        if first and number:
            net._forward_hooks.move_to_end(next(iter(net._forward_hooks)))
        yield f(data(3, 2))


@program(refusable="the hash of a tensor is its address")
def hash_of_an_argument(compile):
    kept = data(4)
    factors = {hash(kept): 2.0}
    f = compile(lambda x: x * factors.get(hash(x), 3.0))
    for is_kept in phases(False, True, False):
        yield f(kept if is_kept else kept.clone())


@program
def argument_as_a_key(compile):
    kept = data(4)
    factors = {kept: 2.0}
    f = compile(lambda x: x * factors.get(x, 3.0))
    for is_kept in phases(False, True, False):
        yield f(kept if is_kept else kept.clone())
