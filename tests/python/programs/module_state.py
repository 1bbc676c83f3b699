"""Modules whose flags, children, hooks or methods change between calls."""

import operator

import torch
from torch import nn

from . import data, first_of_phase, phases, program


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)
        self.scale = 1.0
        self.mode = "relu"

    def forward(self, x):
        x = self.first(x) * self.scale
        x = x.relu() if self.mode == "relu" else x.tanh()
        return self.second(x)


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * 2


@program
def flag_flipped(compile):
    net = compile(Block())
    for mode in phases("relu", "tanh", "relu"):
        net.mode = mode
        yield net(data(4, 8))


@program
def number_changed(compile):
    net = compile(Block())
    for scale in phases(1.0, 2.0, 1.0):
        net.scale = scale
        yield net(data(4, 8))


@program
def number_of_child_changed(compile):
    inner = Block()
    net = compile(nn.Sequential(nn.Linear(8, 8), inner))
    for scale in phases(1.0, 2.0, 1.0):
        inner.scale = scale
        yield net(data(4, 8))


@program
def child_replaced(compile):
    net = compile(Block())
    for seed, first in first_of_phase([1, 2, 3]):
        if first:
            torch.manual_seed(seed)
            net.first = nn.Linear(8, 8)
        yield net(data(4, 8))


@program
def child_replaced_by_other_type(compile):
    net = compile(Block())
    kinds = [nn.Identity(), nn.Sequential(nn.ReLU(), nn.Tanh()), nn.LayerNorm(8)]
    for kind in phases(*kinds):
        net.second = kind
        yield net(data(4, 8))


@program
def child_appended(compile):
    layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])

    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = layers

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    net = compile(Stack())
    for count in phases(2, 3, 2):
        while len(layers) < count:
            layers.append(nn.ReLU())
        del layers[count:]
        yield net(data(4, 8))


@program
def children_swapped(compile):
    net = compile(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)))
    for _, first in first_of_phase([0, 1, 2]):
        if first:
            net[0], net[2] = net[2], net[0]
        yield net(data(4, 8))


@program
def module_dict_key_chosen(compile):
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.heads = nn.ModuleDict({"a": nn.Linear(8, 4), "b": nn.Linear(8, 6)})
            self.active = "a"

        def forward(self, x):
            return self.heads[self.active](x)

    net = compile(Heads())
    for name in phases("a", "b", "a"):
        net.active = name
        yield net(data(4, 8))


@program
def train_and_eval_of_batch_norm(compile):
    from eager_equality import Kept

    net = compile(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)))
    for training in phases(False, True, False):
        net.train(training)
        yield net(data(6, 8)), Kept(net)


@program
def train_and_eval_of_dropout(compile):
    net = compile(nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)))
    for training in phases(False, True, False):
        net.train(training)
        yield net(data(6, 8))


@program
def training_flag_of_child_only(compile):
    net = compile(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)))
    net.eval()
    for training in phases(False, True, False):
        net[1].training = training
        yield net(data(6, 8)), net


@program
def dropout_probability_changed(compile):
    net = compile(nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.0)))
    for probability in phases(0.0, 0.5, 0.0):
        net[1].p = probability
        yield net(data(6, 8))


@program
def norm_epsilon_changed(compile):
    net = compile(nn.LayerNorm(8))
    for epsilon in phases(1e-5, 0.5, 1e-5):
        net.eps = epsilon
        yield net(data(6, 8))


@program
def forward_hook_added_and_removed(compile):
    net = compile(Block())
    handle = None
    for hooked, first in first_of_phase([False, True, False]):
        if first and hooked:
            handle = net.register_forward_hook(lambda module, args, out: out * 10)
        elif first and handle:
            handle.remove()
        yield net(data(4, 8))


@program
def forward_hook_on_child(compile):
    net = compile(Block())
    handle = None
    for hooked, first in first_of_phase([False, True, False]):
        if first and hooked:
            handle = net.second.register_forward_hook(lambda module, args, out: out * 10)
        elif first and handle:
            handle.remove()
        yield net(data(4, 8))


@program
def forward_pre_hook_on_child(compile):
    net = compile(Block())
    handle = None
    for hooked, first in first_of_phase([False, True, False]):
        if first and hooked:
            handle = net.second.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
        elif first and handle:
            handle.remove()
        yield net(data(4, 8))


@program
def kind_of_a_hook_changed(compile):
    """Whether a hook is given the keyword arguments is not in the dict of hooks."""
    net = compile(Block())

    def hook(module, args, kwargs_or_out, out=None):
        return kwargs_or_out + 1 if out is None else out * 10

    handle = None
    for kind, first in first_of_phase([None, False, True, None]):
        if first and handle:
            handle.remove()
        if first and kind is not None:
            handle = net.second.register_forward_hook(hook)
            if kind:
                net.second._forward_hooks_with_kwargs[handle.id] = True
        yield net(data(4, 8))


@program
def hook_marked_while_in_place(compile):
    net = compile(Block())
    handle = net.second.register_forward_hook(
        lambda module, args, *rest: rest[-1] * len(rest) if isinstance(rest[0], dict) else rest[-1] + 5
    )
    for marked, first in first_of_phase([False, True, False]):
        if first and marked:
            net.second._forward_hooks_with_kwargs[handle.id] = True
        elif first:
            net.second._forward_hooks_with_kwargs.clear()
        yield net(data(4, 8))


@program
def hook_always_called(compile):
    net = compile(Block())
    seen = []
    for hooked, first in first_of_phase([False, True]):
        if first and hooked:
            net.second.register_forward_hook(lambda *args: seen.append("called"), always_call=True)
        yield net(data(4, 8)), list(seen)


@program
def hook_with_a_counter(compile):
    net = compile(Block())
    seen = []
    net.first.register_forward_hook(lambda module, args, out: seen.append(len(seen)))
    for _ in phases(0, 1):
        yield net(data(4, 8)), list(seen)


@program
def global_module_hook(compile):
    net = compile(Block())
    handle = None
    for hooked, first in first_of_phase([False, True, False]):
        if first and hooked:
            handle = nn.modules.module.register_module_forward_hook(
                lambda module, args, out: out + 1 if isinstance(module, nn.Linear) else None
            )
        elif first and handle:
            handle.remove()
        yield net(data(4, 8))


@program
def forward_replaced_on_instance(compile):
    net = compile(Block())
    for patched, first in first_of_phase([False, True, False]):
        if first and patched:
            net.second.forward = lambda x: x * 3
        elif first:
            vars(net.second).pop("forward", None)
        yield net(data(4, 8))


@program
def forward_replaced_on_class(compile):
    class Scale(nn.Module):
        def forward(self, x):
            return x * 2

    net = compile(nn.Sequential(nn.Linear(8, 8), Scale()))
    original = Scale.forward
    for patched in phases(False, True, False):
        Scale.forward = (lambda self, x: x * 5) if patched else original
        yield net(data(4, 8))


@program
def call_counter_on_module(compile):
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    net = compile(Counter())
    for _ in phases(0, 1):
        yield net(data(4, 8)), net.calls


@program
def call_counter_not_used(compile):
    net = compile(Counts())
    for _ in phases(0, 1):
        yield net(data(4, 8)), net.calls


@program
def last_activation_kept(compile):
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8)
            self.last = None

        def forward(self, x):
            self.last = self.linear(x)
            return self.last.relu()

    net = compile(Keeps())
    for factor in phases(1.0, 2.0):
        yield net(data(4, 8) * factor), net.last


@program
def recurrent_state_kept(compile):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8)
            self.state = torch.zeros(4, 8)

        def forward(self, x):
            self.state = torch.tanh(self.linear(x) + self.state)
            return self.state * 2

    net = compile(Recurrent())
    for reset, first in first_of_phase([False, True]):
        if first and reset:
            net.state = torch.ones(4, 8)
        yield net(data(4, 8)), net.state


@program
def lazy_first_call(compile):
    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = None

        def forward(self, x):
            if self.weight is None:
                self.weight = torch.full((x.shape[-1],), 3.0)
            return x * self.weight

    net = compile(Lazy())
    for reset, first in first_of_phase([False, True]):
        if first and reset:
            net.weight = None
        yield net(data(4, 8))


@program
def adapter_switched(compile):
    class Adapted(nn.Module):
        def __init__(self):
            super().__init__()
            self.base = nn.Linear(8, 8)
            self.adapters = nn.ModuleDict({name: nn.Linear(8, 8, bias=False) for name in ("x", "y")})
            self.active = []

        def forward(self, x):
            out = self.base(x)
            for name in self.active:
                out = out + self.adapters[name](x)
            return out

    net = compile(Adapted())
    for active in phases([], ["x"], ["x", "y"], ["y"], []):
        net.active = active
        yield net(data(4, 8))


@program
def subclass_property_on_module(compile):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.factors = {"out": 1.0}

        @property
        def factor(self):
            return self.factors["out"]

        def forward(self, x):
            return x * self.factor

    net = compile(Scaled())
    for factor in phases(1.0, 2.0, 1.0):
        net.factors["out"] = factor
        yield net(data(4, 8))


@program
def activation_checkpointing_switched(compile):
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(8, 8)
            self.save_memory = False

        def forward(self, x):
            if self.save_memory:
                return checkpoint(self.inner, x, use_reentrant=False)
            return self.inner(x).relu()

    net = compile(Checkpointed())
    for save in phases(False, True, False):
        net.save_memory = save
        yield net(data(4, 8))


@program
def parameter_becomes_a_buffer(compile):
    net = compile(Block())
    for factor, first in first_of_phase([1.0, 2.0]):
        if first and factor != 1:
            weight = net.first.weight.detach() * factor
            del net.first.weight
            net.first.register_buffer("weight", weight)
        yield net(data(4, 8))


class Shifted(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("shift", torch.ones(8))

    def forward(self, x):
        return x + self.shift


@program
def buffer_hidden_by_a_parameter(compile):
    """Put straight into the dict that is looked into first."""
    net = compile(Shifted())
    for hidden, first in first_of_phase([False, True, False]):
        if first:
            net._parameters.clear()
        if first and hidden:
            net._parameters["shift"] = nn.Parameter(torch.full((8,), 3.0))
        yield net(data(4, 8))


class Chosen(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.which = 0

    def forward(self, x):
        return self.layers[self.which](x)


@program
def another_child_is_asked(compile):
    """The same code reads the parameters of another module, and those are replaced."""
    net = compile(Chosen())
    for which, replaced in phases((0, False), (1, False), (1, True), (0, False)):
        net.which = which
        if replaced:
            net.layers[1].weight = nn.Parameter(torch.full((8, 8), 0.5))
        yield net(data(4, 8))


@program
def child_chosen_by_the_values(compile):
    net = Chosen()

    class Sorted(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = net.layers

        def forward(self, x):
            return self.layers[int(x[0, 0] > 0)](x)

    compiled = compile(Sorted())
    for sign, factor, first in (
        (sign, factor, first) for (sign, factor), first in first_of_phase([(1, 1), (-1, 1), (1, 2), (-1, 2)])
    ):
        if first and factor != 1:
            net.layers[int(sign > 0)].weight = nn.Parameter(torch.full((8, 8), 0.25 * factor))
        x = data(4, 8)
        x[0, 0] = sign
        yield compiled(x)


buffers_of = operator.attrgetter("_buffers")


@program
def buffers_read_by_a_getter(compile):
    """The name is in no code of the user's that runs, but in the getter."""
    net, settings = Block(), Shifted()
    compiled = compile(lambda x: net(x) * (1 if buffers_of(settings)["shift"] is None else 2))
    for shift in phases(None, torch.ones(8), None):
        settings._buffers["shift"] = shift
        yield compiled(data(4, 8))
