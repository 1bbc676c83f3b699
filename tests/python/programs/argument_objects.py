"""Objects among the arguments: told by their attributes, and changed by the call."""

import copy
import dataclasses

import torch

from programs import data, first_of_phase, phases, program


class Box:
    def __init__(self, **attributes):
        vars(self).update(attributes)


@dataclasses.dataclass
class Setting:
    scale: float
    weight: torch.Tensor


@program
def equal_objects_made_for_each_call(compile):
    f = compile(lambda x, setting: x * setting.scale + setting.weight)
    for scale in phases(2.0, 3.0):
        yield f(data(4), Setting(scale, data(4)))


@program
def class_of_the_objects_changes(compile):
    class Doubled(Setting):
        pass

    f = compile(lambda x, setting: x * setting.scale if type(setting) is Setting else x)
    for cls in phases(Setting, Doubled):
        yield f(data(4), cls(2.0, data(4)))


@program
def attribute_replaced_by_the_call(compile):
    def f(x, box):
        box.state = torch.tanh(box.state + x)
        return box.state * 2

    f, box = compile(f), Box(state=data(4))
    for _ in phases(0, 1):
        yield f(data(4), box), box.state


@program
def attribute_and_result_are_one_tensor(compile):
    def f(x, box):
        box.state = x + box.state
        return box.state

    f, box = compile(f), Box(state=data(4))
    for _ in phases(0, 1):
        result = f(data(4), box)
        yield result, result is box.state


@program
def old_value_kept_elsewhere(compile):
    def f(x, box):
        box.before, box.state = box.state, box.state + x
        return box.before - box.state

    f, box = compile(f), Box(state=data(4), before=data(4))
    for _ in phases(0, 1):
        held = box.state
        result = f(data(4), box)
        yield result, box.before is held, box.state, held


@program
def cache_handed_on_and_returned(compile):
    def f(x, cache):
        for layer in cache.layers:
            layer.keys = torch.cat([layer.keys[1:], x])
            x = layer.keys.mean(0, keepdim=True)
        return x, cache

    f = compile(f)
    cache = Box(layers=[Box(keys=data(3, 4)), Box(keys=data(5, 4))])
    for _, first in first_of_phase((0, 1)):
        if first:
            cache = copy.deepcopy(cache)
        result, returned = f(data(1, 4), cache)
        yield result, returned is cache, [layer.keys for layer in cache.layers]


@program
def attribute_added_then_there(compile):
    def f(x, box):
        if not hasattr(box, "first"):
            box.first = x * 1
        return box.first + x

    f, box = compile(f), None
    for number, first in first_of_phase((0, 1)):
        if first:
            box = Box()
        yield f(data(4) + number, box), sorted(vars(box))


@program
def attribute_added_to_new_objects(compile):
    def f(x, box):
        box.seen = [x + 1, "text"]
        return x * 2

    f = compile(f)
    for _ in phases(0, 1):
        box = Box(a=1)
        yield f(data(4), box), box.seen, list(vars(box))


@program
def attribute_deleted(compile):
    def f(x, box):
        y = box.payload * x
        del box.payload
        return y

    f = compile(f)
    for _ in phases(0, 1):
        box = Box(payload=data(4), other=1)
        yield f(data(4), box), list(vars(box))


@program
def dict_of_results_filled(compile):
    def f(x, into):
        into["sum"] = x.sum()
        into["shifted"] = x + 1
        return x * 2

    f = compile(f)
    for fresh in phases(True, False):
        into = {} if fresh else {"sum": None, "shifted": None}
        yield f(data(4), into), into


@program
def list_filled(compile):
    def f(x, into):
        into.append(x + 1)
        into.append(into[0])
        return into

    f = compile(f)
    for _ in phases(0, 1):
        into = []
        result = f(data(4), into)
        yield result, result is into, into[0] is into[1]


@program
def list_items_swapped(compile):
    def f(x, pair):
        pair[0], pair[1] = pair[1], pair[0]
        return x + pair[0]

    f, pair = compile(f), [data(4), data(4) + 1]
    for _ in phases(0, 1):
        yield f(data(4), pair), pair


@program
def object_that_the_state_holds_too(compile):
    kept = Box(scale=2.0)

    def f(x, box):
        return x * box.scale if box is kept else x + 1

    f = compile(f)
    for is_kept in phases(True, False, True):
        yield f(data(4), kept if is_kept else Box(scale=2.0))


@program
def equal_object_comes_into_the_state(compile):
    world = {"kept": None}

    def f(x, box):
        return x * box.scale if box is world["kept"] else x + 1

    f = compile(f)
    for kept in phases(False, True, False):
        box = Box(scale=3.0)
        world["kept"] = box if kept else None
        yield f(data(4), box)


@program
def one_object_twice(compile):
    def f(x, a, b):
        a.value = x + a.value
        return b.value * 2

    f = compile(f)
    for same in phases(True, False, True):
        a = Box(value=data(4))
        b = a if same else Box(value=data(4))
        yield f(data(4), a, b), a.value, b.value


@program
def counter_on_an_argument(compile):
    def f(x, box):
        box.calls += 1
        return x * box.calls

    f, box = compile(f), Box(calls=0)
    for _ in phases(0, 1):
        yield f(data(4), box), box.calls


@program
def written_in_place_through_an_object(compile):
    def f(x, box):
        box.total += x
        box.parts[0].mul_(2)
        return box.total.sum()

    f, box = compile(f), Box(total=data(4), parts=[data(4)])
    for _, first in first_of_phase((0, 1)):
        if first:
            box = copy.deepcopy(box)
        yield f(data(4), box), box.total, box.parts


@program
def views_of_one_buffer_in_an_object(compile):
    def f(x, box):
        box.left = box.left + x
        return box.left * box.right

    f = compile(f)
    for shared in phases(False, True):
        base = data(8)
        box = Box(left=base[:4], right=base[:4] if shared else data(8)[4:])
        yield f(data(4), box), box.left


@program
def method_changes_its_own_object(compile):
    class Cell:
        def __init__(self):
            self.h = data(4)

        def step(self, x):
            self.h = torch.tanh(self.h + x)
            return self.h.sum()

    step, cell = compile(Cell.step), Cell()
    for _, first in first_of_phase((0, 1, 2)):
        if first:
            cell = Cell()
        yield step(cell, data(4)), cell.h


@program
def property_writes_an_attribute(compile):
    class Tracked:
        def __init__(self):
            self._value, self.writes = data(4), "none"

        @property
        def value(self):
            return self._value

        @value.setter
        def value(self, new):
            self._value, self.writes = new, "some"

    def f(x, tracked):
        tracked.value = tracked.value + x
        return tracked.value * 2

    f, tracked = compile(f), Tracked()
    for _ in phases(0, 1):
        yield f(data(4), tracked), tracked.value, tracked.writes


@program
def call_raises_after_it_changed_its_argument(compile):
    def f(x, box):
        box.state = box.state + x
        if box.fails:
            raise ValueError("as asked")
        return box.state * 2

    f, box = compile(f), Box(state=data(4), fails=False)
    for fails in phases(False, True, False):
        box.fails = fails
        try:
            result = f(data(4), box)
        except ValueError as error:
            result = str(error)
        yield result, box.state
