"""What a module keeps meets what the caller holds: arguments, results and other modules that share it."""

import copy

import torch
from torch import nn

from programs import data, first_of_phase, phases, program


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(data(4, 4) / 8)
        self.hidden = torch.zeros(4)

    def forward(self, x):
        self.hidden = torch.tanh(x @ self.weight + self.hidden)
        return self.hidden * 2


@program
def two_modules_begin_with_one_state(compile):
    a, b = Recurrent(), Recurrent()
    f, g = compile(a), compile(b)
    for _, first in first_of_phase((0, 1)):
        if first:
            a.hidden = b.hidden = data(4)
        yield f(data(4)), g(data(4)), a.hidden, b.hidden


@program
def state_of_another_kind_put_in_place(compile):
    net = Recurrent()
    f = compile(net)
    for state, first in first_of_phase((data(4), data(3, 4), 0.5, data(4).double(), net.weight[0])):
        if first:
            net.hidden = state
        try:
            yield f(data(4)), net.hidden
        except RuntimeError as error:
            yield str(error), net.hidden


@program
def state_read_by_another_compiled_function(compile):
    net = Recurrent()
    f, read = compile(net), compile(lambda: net.hidden * 3)
    for _ in phases(0, 1):
        yield f(data(4)), read()


@program
def state_passed_as_the_argument(compile):
    net = Recurrent()
    f = compile(net)
    for own in phases(False, True, False):
        yield f(net.hidden if own else data(4)), net.hidden


@program
def state_returned_and_written_by_the_caller(compile):
    class Net(Recurrent):
        def forward(self, x):
            self.hidden = self.hidden * 0.5 + x
            return self.hidden

    net = Net()
    f = compile(net)
    for writes in phases(False, True):
        result = f(data(4))
        if writes:
            result.add_(1)
        yield result, net.hidden, result is net.hidden


@program
def state_is_a_view_of_the_argument(compile):
    class Net(Recurrent):
        def forward(self, x):
            result = self.hidden + x
            self.hidden = x[:]
            return result

    net, x = Net(), data(4)
    f = compile(net)
    for same in phases(False, True):
        result = f(x if same else data(4))
        net.hidden.add_(1)
        yield result, net.hidden, x


@program
def state_is_the_last_argument_and_written(compile):
    class Net(Recurrent):
        def forward(self, x):
            self.hidden.mul_(0.5)
            result = self.hidden + x
            self.hidden = x
            return result

    net, x = Net(), data(4)
    f = compile(net)
    for same in phases(False, True):
        result = f(x if same else data(4))
        yield result, net.hidden, x


@program
def copy_made_when_the_entry_is_in_use(compile):
    net = Recurrent()
    f, g, twin = compile(net), None, None
    for copied, first in first_of_phase((False, True)):
        if first and copied:
            twin = copy.deepcopy(net)
            g = compile(twin)
        yield f(data(4)), net.hidden, (g(data(4)), twin.hidden) if copied else None


@program
def state_of_the_class_until_the_first_call(compile):
    class Net(nn.Module):
        hidden = None

        def forward(self, x):
            self.hidden = x * 1 if self.hidden is None else self.hidden * 0.5 + x
            return self.hidden + 1

    net = Net()
    f = compile(net)
    for changed, first in first_of_phase((False, True)):
        if first and changed:
            del net.hidden
            Net.hidden = data(4) * 10
        yield f(data(4)), vars(net).get("hidden"), Net.hidden


@program
def activations_kept_by_hooks_that_go(compile):
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))

    def keep(module, arguments, result):
        module.activation = result.detach()

    hooks = [module.register_forward_hook(keep) for module in net]
    f = compile(net)
    for change, first in first_of_phase((0, 1, 2)):
        if first and change == 1:
            hooks[0].remove()
        elif first and change == 2:
            net[0].activation = None
        yield f(data(3, 4) + change), [getattr(module, "activation", None) for module in net]


@program
def state_also_put_into_a_list_of_the_caller(compile):
    net = Recurrent()

    def f(x, history):
        net(x)
        history.append(net.hidden)
        return net.hidden + 1

    f = compile(f)
    for _ in phases(0, 1):
        history = []
        yield f(data(4), history), history, history[0] is net.hidden


@program
def dummy_parameter_changes_dtype_with_a_buffer(compile):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))
            self.register_buffer("scale", torch.ones(1))

        def forward(self, x):
            return x.to(self.weight.dtype) * self.scale

    net = Net()
    f = compile(net)
    for dtype, first in first_of_phase((torch.float32, torch.float64, torch.float16)):
        if first:
            net.to(dtype)
        yield f(data(4))
