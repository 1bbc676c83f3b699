"""State that a call keeps on objects which are no arguments: recurrent states, caches, what hooks collect."""

import copy

import torch
from torch import nn

from programs import data, first_of_phase, phases, program


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(data(4, 4) / 8)
        self.hidden = None

    def forward(self, x):
        if self.hidden is None:
            self.hidden = torch.zeros(4)
        self.hidden = torch.tanh(x @ self.weight + self.hidden)
        return self.hidden * 2


@program
def recurrent_state_on_a_module(compile):
    net = Recurrent()
    f = compile(net)
    for number, first in first_of_phase((0, 1, 2)):
        if first and number:
            net.hidden = None if number == 1 else data(4)
        yield f(data(4)), net.hidden


@program
def state_of_a_child_replaced_from_outside(compile):
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = Recurrent()

        def forward(self, x):
            return self.cell(x) + self.cell(x)

    net = Outer()
    f = compile(net)
    for number, first in first_of_phase((0, 1, 2)):
        if first:
            net.cell.hidden = data(4) + number
        held = net.cell.hidden
        yield f(data(4)), net.cell.hidden, held


@program
def last_output_kept_and_not_read(compile):
    class Keeps(nn.Module):
        def forward(self, x):
            self.attention = torch.softmax(x, -1)
            return self.attention @ x

    net = Keeps()
    f = compile(net)
    for number in phases(1, 2):
        result = f(data(4, 4) * number)
        yield result, net.attention


@program
def kept_output_is_changed_by_the_caller(compile):
    class Keeps(nn.Module):
        def forward(self, x):
            self.last = x * 2
            return self.last

    net = Keeps()
    f = compile(net)
    for number in phases(1, 2):
        result = f(data(4) * number)
        result.add_(1)
        yield result, net.last, result is net.last


@program
def pair_of_states_swapped(compile):
    class Swaps(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = data(4), data(4) + 1

        def forward(self, x):
            self.a, self.b = self.b, self.a
            return x + self.a

    net = Swaps()
    f = compile(net)
    for _ in phases(0, 1):
        yield f(data(4)), net.a, net.b


@program
def state_kept_as_a_tuple(compile):
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.state = (torch.zeros(4), torch.ones(4))

        def forward(self, x):
            h, c = self.state
            c = c * 0.5 + x
            h = torch.tanh(c) + h
            self.state = (h, c)
            return h

    net = Pair()
    f = compile(net)
    for number, first in first_of_phase((0, 1)):
        if first and number:
            net.state = (data(4), data(4))
        yield f(data(4)), net.state


@program
def state_shared_with_another_object(compile):
    class Holder:
        pass

    holder, net = Holder(), Recurrent()
    holder.hidden = net.hidden = data(4)

    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x) + holder.hidden

    f = compile(Reads())
    for number, first in first_of_phase((0, 1)):
        if first and number:
            holder.hidden = net.hidden
        yield f(data(4)), net.hidden, holder.hidden


@program
def state_written_in_place_and_replaced(compile):
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.total = torch.zeros(4)

        def forward(self, x):
            self.total += x
            before = self.total
            self.total = self.total * 2
            return before

    net = Both()
    f = compile(net)
    for _ in phases(0, 1):
        held = net.total
        yield f(data(4)), net.total, held


@program
def state_of_a_copy_is_its_own(compile):
    net = Recurrent()
    f = compile(net)
    for number, first in first_of_phase((0, 1)):
        if first:
            other = copy.deepcopy(net)
            g = compile(other)
        yield f(data(4)), g(data(4) + 1), net.hidden, other.hidden


@program
def method_of_a_plain_object_keeps_a_tensor(compile):
    class Filter:
        def __init__(self):
            self.mean = torch.zeros(4)

        def update(self, x):
            self.mean = self.mean * 0.9 + x * 0.1
            return x - self.mean

    filter = Filter()
    f = compile(filter.update)
    for number, first in first_of_phase((0, 1)):
        if first:
            filter.mean = data(4) * number
        yield f(data(4)), filter.mean


@program
def exception_after_the_state_was_replaced(compile):
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.state, self.fails = data(4), False

        def forward(self, x):
            self.state = self.state + x
            if self.fails:
                raise ValueError("as asked")
            return self.state * 2

    net = Fails()
    f = compile(net)
    for fails in phases(False, True, False):
        net.fails = fails
        try:
            result = f(data(4))
        except ValueError as error:
            result = str(error)
        yield result, net.state


@program
def attribute_of_a_class_instance_in_a_global_table(compile):
    class Slot:
        pass

    table = {"slot": Slot()}
    table["slot"].value = data(4)

    def f(x):
        slot = table["slot"]
        slot.value = slot.value + x
        return slot.value * 2

    f = compile(f)
    for number, first in first_of_phase((0, 1)):
        if first and number:
            table["slot"] = Slot()
            table["slot"].value = data(4)
        yield f(data(4)), table["slot"].value
