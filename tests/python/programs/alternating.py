"""Calls of one kind that take different ways, in turn or as values and hidden state have it."""

import torch
from torch import nn

from programs import data, program

ROUNDS = 8


@program
def attribute_set_in_turn(compile):
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(0.5)
    module.scale = 1.0
    compiled = compile(lambda x: module(x) * module.scale)
    for call in range(2 * ROUNDS):
        module.scale = (1.0, 3.0)[call % 2]
        yield compiled(data(4, 8))


@program
def three_modes_in_turn(compile):
    settings = {"mode": "plain"}

    def f(x):
        if settings["mode"] == "plain":
            return x + 1
        return x.relu() if settings["mode"] == "cut" else (x * x).sum(-1)

    compiled = compile(f)
    for call in range(3 * ROUNDS):
        settings["mode"] = ("plain", "cut", "norm")[call % 3]
        yield compiled(data(4, 8))


@program
def function_replaced_in_turn(compile):
    actions = {"act": torch.relu}
    compiled = compile(lambda x: actions["act"](x) * 2)

    def twice(x):
        return x + x

    for call in range(3 * ROUNDS):
        actions["act"] = (torch.relu, twice, torch.tanh)[call % 3]
        yield compiled(data(4, 8))


@program
def branch_on_a_mask_in_turn(compile):
    compiled = compile(lambda x, mask: x.masked_fill(mask, 0.0) if mask.any() else x * 2)
    masks = torch.zeros(8, dtype=torch.bool), torch.arange(8) % 2 == 0
    for call in range(2 * ROUNDS):
        yield compiled(data(4, 8) + call, masks[call % 2])


@program
def three_ways_by_a_number_in_turn(compile):
    def f(x, step):
        number = step.item()
        if number == 0:
            return x + 1
        return x.sum(0) if number == 1 else x.exp().neg()

    compiled = compile(f)
    for call in range(3 * ROUNDS):
        yield compiled(data(4, 8) + call, torch.tensor(call % 3))


@program
def mode_and_value_in_turn(compile):
    """Two ways by the state times two by a value."""
    settings = {"scale": 2}

    def f(x, flag):
        y = x * settings["scale"]
        return y.abs() if flag.item() else y - 1

    compiled = compile(f)
    for call in range(4 * ROUNDS):
        settings["scale"] = 2 + call % 2
        yield compiled(data(4, 8) + call, torch.tensor(call // 2 % 2))


@program
def ways_with_effects_in_turn(compile):
    class Meter:
        def __init__(self):
            self.total, self.peak, self.log = torch.zeros(8), None, []

        def update(self, x, is_new):
            if is_new.item():
                self.peak = x.amax(0)
                self.log.append(self.peak)
            else:
                self.total = self.total + x.sum(0)
                x.mul_(2)
            return x - 1

    meter = Meter()
    update = compile(Meter.update)
    for call in range(3 * ROUNDS):
        x = data(4, 8) + call
        del meter.log[2:]
        yield update(meter, x, torch.tensor(call % 2 == 0)), x, meter.total, meter.peak, list(meter.log)


@program
def written_in_one_way_and_drawn_in_another(compile):
    buffer = torch.zeros(8)

    def f(x, kind):
        if kind.item() == 0:
            buffer.add_(x[0])
            return x + buffer
        return x * torch.rand(8) if kind.item() == 1 else x - buffer

    compiled = compile(f)
    for call in range(3 * ROUNDS):
        yield compiled(data(4, 8), torch.tensor(call % 3)), buffer.clone()


@program
def a_way_now_and_then(compile):
    compiled = compile(lambda x, step: x * 2 if step.item() % 4 else x.cumsum(0))
    for call in range(4 * ROUNDS):
        yield compiled(data(4, 8) + call, torch.tensor(call % 4))


@program
def first_call_is_another_then_two_ways(compile):
    class Model:
        table = None

        def __call__(self, x, flag):
            if self.table is None:
                self.table = torch.arange(8.0) * 2
            return x + self.table if flag.item() else x - self.table

    model = Model()
    compiled = compile(model)
    for call in range(2 * ROUNDS):
        yield compiled(data(4, 8), torch.tensor(call % 2))


@program(refusable="no two calls do the same")
def ways_that_never_come_again(compile):
    compiled = compile(lambda x, number: x * number.item())
    for call in range(3 * ROUNDS):
        yield compiled(data(4, 8), torch.tensor(0.5 + call))


@program(refusable="no two calls do the same")
def settings_that_never_come_again(compile):
    settings = {"scale": 0.0}
    compiled = compile(lambda x: x * settings["scale"])
    for call in range(3 * ROUNDS):
        settings["scale"] = 1.0 + call
        yield compiled(data(4, 8))
