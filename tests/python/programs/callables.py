"""Ways to hold and call compiled things: methods, nesting, recursion, threads, copies, pickles, callbacks."""

import copy
import functools
import pickle
import threading

import torch
from torch import nn

from . import data, phases, program


class Scaled(nn.Module):
    """At the top of a module, so that pickle finds it."""

    def __init__(self, factor=2.0):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(8, 8)
        self.factor = factor

    def forward(self, x):
        return self.linear(x) * self.factor


@program
def method_of_class(compile):
    class Layer:
        def __init__(self, scale):
            self.scale = scale

        def apply(self, x):
            return x * self.scale

    Layer.apply = compile(Layer.apply)
    layers = [Layer(2.0), Layer(3.0)]
    for index, scale in phases((0, 2.0), (1, 3.0), (0, 5.0), (1, 3.0)):
        layers[index].scale = scale
        yield layers[index].apply(data(4, 8))


@program
def bound_method(compile):
    class Layer:
        def __init__(self):
            self.scale = 2.0

        def apply(self, x):
            return x * self.scale

    layer = Layer()
    compiled = compile(layer.apply)
    for scale in phases(2.0, 3.0, 2.0):
        layer.scale = scale
        yield compiled(data(4, 8))


@program
def class_and_static_methods(compile):
    class Layer:
        scale = 2.0

    Layer.by_class = classmethod(compile(lambda cls, x: x * cls.scale))
    Layer.by_name = staticmethod(compile(lambda x: x * Layer.scale + 1))

    class Other(Layer):
        scale = 7.0

    for kind, scale in phases((Layer, 2.0), (Other, 7.0), (Layer, 3.0), (Other, 7.0)):
        kind.scale = scale
        yield kind.by_class(data(4, 8)), kind().by_name(data(4, 8))


@program
def callable_object(compile):
    class Layer:
        scale = 2.0

        def __call__(self, x):
            return x * self.scale

    layer = Layer()
    compiled = compile(layer)
    for scale in phases(2.0, 3.0, 2.0):
        layer.scale = scale
        yield compiled(data(4, 8))


@program
def partial_object(compile):
    def f(scale, x, bias):
        return x * scale + bias

    compiled = compile(functools.partial(f, 2.0, bias=1.0))
    for bias in phases(1.0, 3.0, 1.0):
        yield compiled(data(4, 8), bias=bias)


@program
def compiled_calls_compiled(compile):
    factor = 2.0
    inner = compile(lambda x: x * factor)
    outer = compile(lambda x: inner(x) + 1)
    for factor in phases(2.0, 3.0, 2.0):  # noqa: B007 - the closure reads it
        yield outer(data(4, 8)), inner(data(4, 8))


@program
def compiled_module_inside_compiled_function(compile):
    inner = compile(Scaled())
    outer = compile(lambda x: inner(x).relu())
    for factor in phases(2.0, 3.0, 2.0):
        inner.factor = factor
        yield outer(data(4, 8))


@program
def compiled_twice(compile):
    factor = 2.0
    compiled = compile(compile(lambda x: x * factor))
    for factor in phases(2.0, 3.0, 2.0):  # noqa: B007 - the closure reads it
        yield compiled(data(4, 8))


@program
def two_compiled_share_a_function(compile):
    factor = 2.0

    def f(x):
        return x * factor

    first, second = compile(f), compile(f)
    for factor in phases(2.0, 3.0, 2.0):  # noqa: B007 - the closure reads it
        yield first(data(4, 8)), second(data(5, 8))


@program
def recursion(compile):
    def f(x, depth):
        return x if depth == 0 else compiled(x * 2, depth - 1) + 1

    compiled = compile(f)
    for depth in phases(1, 3, 1):
        yield compiled(data(4, 8), depth)


@program
def plain_recursion_over_a_tree(compile):
    def total(tree):
        return sum(map(total, tree)) if isinstance(tree, list) else tree

    compiled = compile(total)
    x = data(4, 8)
    for tree in phases([x, [x + 1, [x + 2]]], [x, x], [[x], [x]]):
        yield compiled(tree)


@program
def callback_called_inside(compile):
    seen = []

    def f(x, callback):
        y = x * 2
        callback(y)
        return y + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8), lambda y: seen.append(y.sum())), list(seen)


@program
def threads_share_a_callable(compile):
    factor = 2.0
    compiled = compile(lambda x: (x * factor).relu().sum(0))
    for factor in phases(2.0, 3.0):  # noqa: B007 - the closure reads it
        out = [None] * 8

        def work(index):
            with torch.no_grad():
                out[index] = compiled(data(4 + index % 3, 8) + index)

        threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        yield out


@program
def called_from_another_thread(compile):
    compiled = compile(lambda x: x * 2 + 1 if torch.is_grad_enabled() else x - 1)
    for elsewhere in phases(False, True, False):
        out = []
        if elsewhere:
            thread = threading.Thread(target=lambda: out.append(compiled(data(4, 8))))
            thread.start()
            thread.join()
        else:
            out.append(compiled(data(4, 8)))
        yield out


@program
def thread_local_setting(compile):
    local = threading.local()
    local.scale = 1.0
    compiled = compile(lambda x: x * getattr(local, "scale", 10.0))
    for scale, elsewhere in phases((1.0, False), (2.0, False), (2.0, True), (1.0, False)):
        local.scale = scale
        out = []
        if elsewhere:
            thread = threading.Thread(target=lambda: out.append(compiled(data(4, 8))))
            thread.start()
            thread.join()
        else:
            out.append(compiled(data(4, 8)))
        yield out


@program
def deep_copy_of_module(compile):
    net = compile(Scaled())
    other = None
    for factor in phases(2.0, 3.0, 4.0):
        net.factor = factor
        if other is None or other.factor != factor:
            other = copy.deepcopy(net)
            other.linear.weight.mul_(2)
        yield net(data(4, 8)), other(data(4, 8))


@program
def pickled_module(compile):
    net = compile(Scaled())
    for factor in phases(2.0, 3.0):
        net.factor = factor
        out = net(data(4, 8))
        yield out, pickle.loads(pickle.dumps(net))(data(4, 8))


@program
def module_moved_between_lists(compile):
    nets = [compile(Scaled(factor)) for factor in (1.0, 2.0)]
    for order in phases((0, 1), (1, 0), (0, 0)):
        x = data(4, 8)
        for index in order:
            x = nets[index](x)
        yield x


@program
def many_modules_of_one_class(compile):
    for seed in range(8):
        torch.manual_seed(seed)
        net = Scaled(float(seed))
        net.linear.reset_parameters()
        net = compile(net)
        for _ in range(3):
            yield net(data(4, 8))


@program
def module_called_by_data_parallel_like_loop(compile):
    net = compile(Scaled())
    for count in phases(2, 3):
        yield torch.cat([net(part) for part in data(6, 8).chunk(count)])


@program
def submodule_compiled_alone(compile):
    net = nn.Sequential(Scaled(), nn.ReLU())
    compile(net[0])
    for factor in phases(2.0, 3.0, 2.0):
        net[0].factor = factor
        yield net(data(4, 8))


@program
def forward_called_directly(compile):
    net = compile(Scaled())
    for factor in phases(2.0, 3.0, 2.0):
        net.factor = factor
        yield net.forward(data(4, 8)), net(data(4, 8))


@program
def decorated_forward(compile):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = 1.0
            self.weight = nn.Parameter(data(8))

        def forward(self, x):
            return x * self.weight * self.factor

    Net.forward = compile(Net.forward)
    nets = [Net(), Net()]
    nets[1].weight.mul_(3)
    for index, factor in phases((0, 1.0), (1, 1.0), (0, 2.0), (1, 1.0)):
        nets[index].factor = factor
        yield nets[index](data(4, 8))


@program
def wrapped_by_another_decorator(compile):
    factor = 2.0

    def tripled(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            return function(*args, **kwargs) * 3

        return call

    compiled = compile(tripled(lambda x: x * factor))
    for factor in phases(2.0, 3.0, 2.0):  # noqa: B007 - the closure reads it
        yield compiled(data(4, 8))


@program(grad=True)
def autograd_function_inside(compile):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 20

    compiled = compile(lambda x: Double.apply(x) + 1)
    for wanted in phases(False, True, False):
        x = data(4, 8).requires_grad_(wanted)
        out = compiled(x)
        if wanted:
            out.sum().backward()
        yield out, x.grad


@program
def scripted_function_inside(compile):
    scripted = torch.jit.script(_scripted_scale)
    compiled = compile(lambda x, scale: scripted(x, scale) + 1)
    for scale in phases(2.0, 3.0, 2.0):
        yield compiled(data(4, 8), scale)


def _scripted_scale(x: torch.Tensor, scale: float) -> torch.Tensor:
    return x * scale


@program
def custom_operator_inside(compile):
    factor = {"value": 2.0}

    @torch.library.custom_op("braze_tests::scaled", mutates_args=())
    def scaled(x: torch.Tensor) -> torch.Tensor:
        return x * factor["value"]

    compiled = compile(lambda x: scaled(x) + 1)
    for value in phases(2.0, 3.0, 2.0):
        factor["value"] = value
        yield compiled(data(4, 8))


@program
def custom_operator_writes(compile):
    @torch.library.custom_op("braze_tests::increment", mutates_args={"x"})
    def increment(x: torch.Tensor) -> None:
        x.add_(1)

    def f(x):
        y = x * 2
        increment(y)
        increment(x)
        return y + x

    compiled = compile(f)
    for rows in phases(4, 5):
        x = data(rows, 8)
        yield compiled(x), x


@program
def futures_inside(compile):
    def f(x):
        future = torch.futures.Future()
        future.set_result(x * 2)
        return future.wait() + 1

    compiled = compile(f)
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))


@program
def operator_written_with_numpy(compile):
    @torch.library.custom_op("braze_tests::rounded", mutates_args=())
    def rounded(x: torch.Tensor, digits: int) -> torch.Tensor:
        return torch.from_numpy(x.numpy().round(digits))

    f = compile(lambda x: rounded(x * 1.26, 1) + 1)
    for scale in phases(1.0, 2.0):
        yield f(data(4, 8) * scale)


@program
def operator_called_by_its_full_name(compile):
    f = compile(lambda x: torch.ops.aten.relu.default(x) + torch.ops.aten.add(x, 1))
    for scale in phases(1.0, 2.0):
        yield f(data(4, 8) * scale)
