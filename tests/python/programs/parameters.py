"""Modules whose parameters and buffers are written, swapped, tied, frozen or replaced between calls."""

import torch
from eager_equality import Kept
from torch import nn

from . import data, first_of_phase, phases, program


def mlp(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))


@program
def data_attribute_swapped(compile):
    net = compile(mlp())
    for seed, first in first_of_phase([0, 1, 2]):
        if first:
            net[0].weight.data = mlp(seed)[0].weight.data
        yield net(data(4, 8))


@program
def updated_in_place(compile):
    net = compile(mlp())
    for _ in phases(0, 1, 2):
        net[0].weight.mul_(0.9)
        yield net(data(4, 8))


@program
def data_written_without_version(compile):
    net = compile(mlp())
    for factor, first in first_of_phase([1.0, 2.0, 0.5]):
        if first:
            net[0].weight.data.mul_(factor)
        yield net(data(4, 8))


@program
def state_dict_copied(compile):
    net = compile(mlp())
    for seed, first in first_of_phase([0, 1, 2]):
        if first:
            net.load_state_dict(mlp(seed).state_dict())
        yield net(data(4, 8))


@program
def state_dict_assigned(compile):
    net = compile(mlp())
    for seed, first in first_of_phase([0, 1, 2]):
        if first:
            net.load_state_dict(mlp(seed).state_dict(), assign=True)
        yield net(data(4, 8))


@program
def parameter_object_replaced(compile):
    net = compile(mlp())
    for factor, first in first_of_phase([1.0, 2.0, 3.0]):
        if first:
            net[0].weight = nn.Parameter(net[0].weight * factor)
        yield net(data(4, 8))


@program
def bias_removed(compile):
    net = compile(mlp())
    bias = net[0].bias
    for value in phases(bias, None, bias):
        net[0].bias = value
        yield net(data(4, 8))


@program
def weights_tied_and_untied(compile):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(1)
            self.embed = nn.Embedding(16, 8)
            self.head = nn.Linear(8, 16, bias=False)

        def forward(self, tokens):
            return self.head(self.embed(tokens))

    net = compile(Tied())
    own = net.head.weight
    tokens = torch.tensor([1, 5, 7])
    for tied, first in first_of_phase([False, True, False]):
        if first:
            net.head.weight = net.embed.weight if tied else own
        yield net(tokens)


@program
def tied_weight_written(compile):
    net = mlp()
    net[2] = nn.Linear(8, 8)
    net[2].weight = net[0].weight
    net = compile(net)
    for factor, first in first_of_phase([1.0, 2.0, 0.5]):
        if first:
            net[0].weight.mul_(factor)
        yield net(data(4, 8))


@program
def weight_normalised(compile):
    net = mlp()
    torch.nn.utils.parametrizations.weight_norm(net[0])
    net = compile(net)
    for factor, first in first_of_phase([1.0, 2.0, 0.5]):
        if first:
            net[0].parametrizations.weight.original0.mul_(factor)
        yield net(data(4, 8))


@program
def parametrization_added(compile):
    class Double(nn.Module):
        def forward(self, weight):
            return weight * 2

    net = compile(mlp())
    for added, first in first_of_phase([False, True, False]):
        if first and added:
            nn.utils.parametrize.register_parametrization(net[0], "weight", Double())
        elif first and nn.utils.parametrize.is_parametrized(net[0]):
            nn.utils.parametrize.remove_parametrizations(net[0], "weight", leave_parametrized=False)
        yield net(data(4, 8))


@program
def moved_to_other_dtype_and_back(compile):
    net = compile(mlp())
    for dtype in phases(torch.float32, torch.float64, torch.bfloat16, torch.float32):
        net.to(dtype)
        yield net(data(4, 8).to(dtype))


@program
def buffer_replaced(compile):
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("shift", torch.zeros(8))

        def forward(self, x):
            return (x + self.shift).relu()

    net = compile(Shifted())
    for value, first in first_of_phase([0.0, 2.0, -1.0]):
        if first:
            net.shift = torch.full((8,), value)
        yield net(data(4, 8))


@program
def buffer_written_by_forward(compile):
    class Running(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(8))

        def forward(self, x):
            self.total += x.sum(0)
            return x + self.total

    net = compile(Running())
    for factor in phases(1.0, 2.0):
        yield net(data(4, 8) * factor), Kept(net.total)


@program
def buffer_reassigned_by_forward(compile):
    class Running(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(8))

        def forward(self, x):
            self.total = self.total * 0.5 + x.mean(0)
            return x - self.total

    net = compile(Running())
    for factor in phases(1.0, 2.0):
        yield net(data(4, 8) * factor), net.total


@program
def batch_norm_statistics(compile):
    net = compile(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).train())
    for momentum in phases(0.1, None, 0.5):
        net[1].momentum = momentum
        yield net(data(2, 3, 6, 6)), Kept(net)


@program
def power_iteration_of_spectral_norm(compile):
    torch.manual_seed(3)
    net = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8))
    net = compile(net.train())
    for training in phases(True, False, True):
        net.train(training)
        yield net(data(4, 8)), Kept(net)


@program(grad=True)
def gradients_switched_off_and_on(compile):
    net = compile(mlp())
    for wanted in phases(False, True, False):
        net.requires_grad_(wanted)
        net.zero_grad(set_to_none=True)
        x = data(4, 8)
        out = net(x)
        if wanted:
            out.sum().backward()
        yield out, [parameter.grad for parameter in net.parameters()]


@program(grad=True)
def one_parameter_frozen(compile):
    net = compile(mlp())
    for frozen in phases(False, True, False):
        net[0].weight.requires_grad_(not frozen)
        net.zero_grad(set_to_none=True)
        net(data(4, 8)).sum().backward()
        yield [parameter.grad for parameter in net.parameters()]


@program(grad=True)
def optimiser_steps_between_calls(compile):
    net = compile(mlp())
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for rate in phases(0.1, 0.01):
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        loss = net(data(4, 8)).square().mean()
        loss.backward()
        optimiser.step()
        yield loss.detach(), list(net.parameters())


@program
def moving_average_of_weights(compile):
    net, average = mlp(), mlp()
    average = compile(average)
    for seed in phases(1, 2):
        for mine, theirs in zip(average.parameters(), net.parameters()):
            mine.lerp_(theirs * seed, 0.1)
        yield average(data(4, 8))


@program
def functional_call_with_other_weights(compile):
    net = mlp()
    compiled = compile(lambda weights, x: torch.func.functional_call(net, weights, (x,)))
    for seed in phases(0, 1, 2):
        yield compiled(dict(mlp(seed).named_parameters()), data(4, 8))


@program
def parameter_list_grown(compile):
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.terms = nn.ParameterList([nn.Parameter(data(8))])

        def forward(self, x):
            for term in self.terms:
                x = x * 2 + term
            return x

    net = compile(Sum())
    for count in phases(1, 2, 3):
        while len(net.terms) < count:
            net.terms.append(nn.Parameter(data(8) * count))
        yield net(data(4, 8))


@program
def weight_becomes_a_view(compile):
    net = compile(mlp())
    wide = data(8, 16)
    for strided, first in first_of_phase([False, True, False]):
        if first:
            net[0].weight.data = wide[:, ::2] if strided else wide[:, :8].clone()
        yield net(data(4, 8))


@program
def weights_share_one_flat_buffer(compile):
    net = mlp()
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in net.parameters()])
    offset = 0
    for parameter in net.parameters():
        parameter.data = flat[offset : offset + parameter.numel()].view_as(parameter)
        offset += parameter.numel()
    net = compile(net)
    for factor, first in first_of_phase([1.0, 0.5, 2.0]):
        if first:
            flat.mul_(factor)
        yield net(data(4, 8))


@program
def tensors_swapped(compile):
    """torch.utils.swap_tensors takes only tensors that nobody refers to weakly."""
    module, other = nn.Linear(8, 4), nn.Linear(8, 4)
    for number, parameter in enumerate([*module.parameters(), *other.parameters()], start=1):
        nn.init.constant_(parameter, number / 4)
    compiled = compile(module)
    for _, first in first_of_phase([0, 1, 2]):
        if first:
            torch.utils.swap_tensors(module.weight, other.weight)
        yield compiled(data(2, 8)), module.weight


@program
def gradients_wanted_where_none_are_computed(compile):
    net = compile(mlp())
    for wanted in phases(True, False, True):
        net.requires_grad_(wanted)
        out = net(data(4, 8))
        yield out, out.requires_grad


@program
def whether_gradients_are_wanted_decides(compile):
    weight = torch.full((8,), 2.0)
    compiled = compile(lambda x: x * weight if weight.requires_grad else x + weight)
    for wanted in phases(False, True, False):
        weight.requires_grad_(wanted)
        yield compiled(data(4, 8))


@program
def view_of_a_parameter_returned(compile):
    weight = torch.full((8, 4), 2.0)
    compiled = compile(lambda x: (x * 2, weight.t(), weight))
    for wanted in phases(False, True, False):
        weight.requires_grad_(wanted)
        results = compiled(data(4, 8))
        yield results, [(t.requires_grad, t.is_leaf, t._base is weight) for t in results], results[2] is weight


@program
def tensor_detached_where_no_gradients_are_computed(compile):
    weight = torch.full((8,), 2.0)

    def f(x):
        weight.detach_()
        return x * weight

    compiled = compile(f)
    for wanted in phases(False, True, False):
        weight.requires_grad_(wanted)
        yield compiled(data(4, 8)), weight.requires_grad


class DoublesWhatIsWanted(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        return x * weight * (2 if ctx.needs_input_grad[1] else 1)


@program
def function_of_autograd_asks_what_is_wanted(compile):
    weight = torch.full((8,), 2.0)
    compiled = compile(lambda x: DoublesWhatIsWanted.apply(x, weight))
    for wanted in phases(False, True, False):
        weight.requires_grad_(wanted)
        yield compiled(data(4, 8))
