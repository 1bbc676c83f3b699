"""Objects that several places hold at once, or that answer attribute access in their own way."""

import dataclasses
import functools

import torch

from programs import data, first_of_phase, phases, program


class Box:
    def __init__(self, **attributes):
        vars(self).update(attributes)


@program
def part_shared_by_two_arguments(compile):
    def f(x, a, b):
        a.part.value = a.part.value + x
        return b.part.value * 2

    f = compile(f)
    for shared in phases(False, True, False):
        part = Box(value=data(4))
        a, b = Box(part=part), Box(part=part if shared else Box(value=data(4)))
        yield f(data(4), a, b), a.part.value, b.part.value


@program
def parent_and_child_hold_each_other(compile):
    def f(x, parent):
        parent.value = parent.value + x
        parent.child.value = parent.value * 2
        return parent.child.parent.value

    f = compile(f)
    for _, first in first_of_phase((0, 1)):
        if first:
            parent = Box(value=data(4))
            parent.child = Box(value=data(4), parent=parent)
        yield f(data(4), parent), parent.value, parent.child.value


@program
def attributes_of_two_objects_swapped(compile):
    def f(x, a, b):
        a.value, b.value = b.value, a.value
        return x + a.value

    f, a, b = compile(f), Box(value=data(4)), Box(value=data(4) + 1)
    for _ in phases(0, 1):
        yield f(data(4), a, b), a.value, b.value


@program
def new_object_refers_back_to_the_argument(compile):
    def f(x, box):
        box.child = Box(value=x + 1, parent=box)
        return box.child.value

    f = compile(f)
    for _ in phases(0, 1):
        box = Box()
        result = f(data(4), box)
        yield result, box.child.parent is box, box.child.value is result


@program
def containers_inside_an_object_filled(compile):
    def f(x, box):
        box.history.append(x + 1)
        box.table["last"] = x
        box.table.setdefault("all", []).append(x * 2)
        return len(box.history)

    f = compile(f)
    for _ in phases(0, 1):
        box, x = Box(history=[], table={}), data(4)
        yield f(x, box), box.history, box.table, box.table["last"] is x
        yield f(x, box), box.history, box.table


@program
def views_put_into_an_object(compile):
    def f(x, box):
        box.rest, box.turned = x[1:], box.base.t()
        return x.sum()

    f = compile(f)
    for _ in phases(0, 1):
        x, box = data(4), Box(base=data(2, 3))
        result = f(x, box)
        x.add_(1)
        box.base.mul_(2)
        yield result, x, box.rest, box.turned, box.base


@program
def state_written_then_replaced_then_written(compile):
    def f(x, box):
        box.state.add_(x)
        box.state = box.state * 2
        box.state.sub_(1)
        return box.state

    f = compile(f)
    for _ in phases(0, 1):
        held = data(4)
        box = Box(state=held)
        result = f(data(4), box)
        yield result, held, box.state, result is box.state


@program
def argument_comes_into_a_class_attribute(compile):
    class Current:
        box = None

    def f(x, box):
        box.value = box.value + x
        return box.value * 2 if Current.box is box else box.value

    f, box = compile(f), Box(value=data(4))
    for current in phases(False, True, False):
        Current.box = box if current else None
        yield f(data(4), box), box.value


@program
def callee_keeps_state_on_an_argument_that_is_also_itself(compile):
    class Cell:
        def __init__(self):
            self.state = data(4)

        def __call__(self, x):
            self.state = self.state * 0.5 + x
            return self.state * 1

    cell, other = Cell(), Cell()
    f = compile(lambda x, second: cell(x) + (0 if second is None else second.state))
    for second in phases(None, cell, other):
        yield f(data(4), second), cell.state, other.state


@program
def equal_keys_find_the_same_entry(compile):
    class Key:
        def __init__(self, number):
            self.number = number

        def __eq__(self, other):
            return self.number == other.number

        def __hash__(self):
            return hash(self.number)

    table = {Key(1): 2.0, Key(2): 3.0}
    f = compile(lambda x, key: x * table[key])
    for number in phases(1, 2, 1):
        yield f(data(4), Key(number))


@program
def attribute_from_a_fallback_then_a_real_one(compile):
    class Lazy:
        def __init__(self):
            self.table = {"weight": data(4)}

        def __getattr__(self, name):
            try:
                return self.table[name]
            except KeyError:
                raise AttributeError(name) from None

    f = compile(lambda x, lazy: x * lazy.weight)
    for kind in phases("fallback", "real", "other"):
        lazy = Lazy()
        if kind == "real":
            lazy.weight = data(4) + 5
        if kind == "other":
            lazy.table["weight"] = data(4) - 5
        yield f(data(4), lazy)


@program
def class_of_the_arguments_monkeypatched(compile):
    class Scaled:
        factor = 2.0

        def __init__(self):
            self.value = data(4)

        def scaled(self):
            return self.value * self.factor

    f = compile(lambda item: item.scaled() + 1)
    for change in phases(0, 1, 2, 3):
        item = Scaled()
        if change == 1:
            Scaled.factor = 3.0
        elif change == 2:
            Scaled.scaled = lambda self: self.value - 1
        elif change == 3:
            Scaled.value = property(lambda self: data(4) * 100, lambda self, value: None)
        yield f(item)


@program
def cached_property_computed_once(compile):
    class Squared:
        def __init__(self, value):
            self.value = value

        @functools.cached_property
        def square(self):
            return self.value * self.value

    f = compile(lambda x, item: x + item.square)
    for number in phases(0, 1):
        item = Squared(data(4) + number)
        yield f(data(4), item), f(data(4), item), list(vars(item))


@program
def pattern_chosen_by_the_argument(compile):
    @dataclasses.dataclass
    class Point:
        a: float
        b: float

    def f(x, point):
        match point:
            case Point(a=0.0):
                return x - 1
            case Point(a, b) if b > 1:
                return x * a + b
            case {"k": k}:
                return x - k
            case [u, v]:
                return x * u * v
            case _:
                return x + 100

    f = compile(f)
    for point in phases(Point(0.0, 1.0), Point(2.0, 3.0), {"k": 2.0}, [1.0, 2.0], None, Point(5.0, 3.0)):
        yield f(data(4), point)


@program
def setter_refuses_a_value(compile):
    class Guarded:
        def __init__(self):
            self.state = data(4)

        def __setattr__(self, name, value):
            if value.shape[0] > 5:
                raise ValueError("too long")
            object.__setattr__(self, name, value)

    def f(x, guarded):
        guarded.state = torch.cat([guarded.state, x])
        return guarded.state.sum()

    f = compile(f)
    for length in phases(1, 3, 1):
        guarded = Guarded()
        try:
            result = f(data(length), guarded)
        except ValueError as error:
            result = str(error)
        yield result, guarded.state
