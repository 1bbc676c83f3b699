"""What models count and collect while they run: call counters, collected activations."""

import collections
import operator
import types

import torch
from torch import nn

from programs import data, first_of_phase, phases, program
from programs.module_state import Counts


@program
def calls_counted(compile):
    net = Counts()
    f = compile(net)
    for start, first in first_of_phase((0, 100, 2**70)):
        if first:
            net.calls = start
        yield f(data(4)), net.calls


@program
def counter_of_another_type(compile):
    net = Counts()
    f = compile(net)
    for start, first in first_of_phase((0, 0.5, True)):
        if first:
            net.calls = start
        yield f(data(4)), net.calls, type(net.calls).__name__


@program(refusable="what is computed depends on a number that changes at each call")
def counter_decides(compile):
    class Warms(Counts):
        def forward(self, x):
            self.calls += 1
            return x * 2 if self.calls < 8 else x + 1

    net = Warms()
    f = compile(net)
    for _ in phases(0, 1, 2):
        yield f(data(4)), net.calls


@program(refusable="what is computed depends on a number that changes at each call")
def counter_read_by_its_name(compile):
    class Named(Counts):
        def forward(self, x):
            self.calls += 1
            return x * min(getattr(self, "calls"), 3)

    net = Named()
    f = compile(net)
    for _ in phases(0, 1):
        yield f(data(4)), net.calls


@program(refusable="what is computed depends on a number that changes at each call")
def counter_read_by_an_attrgetter(compile):
    net, calls_of = Counts(), operator.attrgetter("calls")

    def f(x):
        net.calls += 1
        return x * min(calls_of(net), 3)

    f = compile(f)
    for _ in phases(0, 1):
        yield f(data(4)), net.calls


@program
def counters_beside_other_effects(compile):
    class Layer(Counts):
        def __init__(self):
            super().__init__()
            self.n, self.hidden, self.seen = 0, torch.zeros(4), {}

        def forward(self, x, i):
            self.n += 1
            self.hidden = self.hidden + x if x.sum() > 0 else self.hidden - x
            self.seen["double"] = x * 2
            y = x[i]
            self.n += 1
            return y * 2

    net = Layer()
    f = compile(net)
    for shift, i in phases((5, 0), (5, 9), (-5, 0), (5, 0)):
        try:
            result = f(data(4) + shift, torch.tensor([i]))
        except IndexError:
            result = "out of range"
        yield result, net.n, net.hidden, dict(net.seen)


@program(refusable="a setter runs")
def counter_behind_a_property(compile):
    class Doubles:
        def __init__(self):
            self.stored = 0

        @property
        def calls(self):
            return self.stored

        @calls.setter
        def calls(self, value):
            self.stored = value * 2

    counts = Doubles()

    def f(x):
        counts.calls += 1
        return x * 2

    f = compile(f)
    for _ in phases(0, 1):
        yield f(data(4)), counts.stored


@program
def counted_in_a_loop(compile):
    settings = types.SimpleNamespace(steps=3, done=0)

    def f(x):
        for _ in range(settings.steps):
            settings.done += 2
        settings.done = settings.done - 1
        return x * 2

    f = compile(f)
    for settings.steps in phases(3, 4, 3):
        yield f(data(4)), settings.done


def counted_and_replaced(f, current, replace):
    """The results of `f`, which counts its calls and keeps a state, with both; half way both are replaced."""
    for number, first in first_of_phase((0, 1)):
        if first and number:
            replace(50, data(4))
        yield f(data(4)), *current()


calls_of_the_module = 0
state_of_the_module = None


@program
def global_counter_and_state(compile):
    global calls_of_the_module, state_of_the_module
    calls_of_the_module, state_of_the_module = 0, torch.zeros(4)

    def f(x):
        global calls_of_the_module, state_of_the_module
        calls_of_the_module += 1
        state_of_the_module = state_of_the_module * 0.5 + x
        return state_of_the_module * 2

    def replace(calls, state):
        global calls_of_the_module, state_of_the_module
        calls_of_the_module, state_of_the_module = calls, state

    yield from counted_and_replaced(compile(f), lambda: (calls_of_the_module, state_of_the_module), replace)


@program
def closure_counter_and_state(compile):
    calls, state = 0, torch.zeros(4)

    def f(x):
        nonlocal calls, state
        calls += 1
        state = state * 0.5 + x
        return state * 2

    def replace(new_calls, new_state):
        nonlocal calls, state
        calls, state = new_calls, new_state

    yield from counted_and_replaced(compile(f), lambda: (calls, state), replace)


@program
def counters_of_two_objects(compile):
    counters, current = [Counts(), Counts()], [0]

    def f(x):
        counters[current[0]].calls += 1
        return x * 2

    f = compile(f)
    for current[0] in phases(0, 1, 0):
        yield f(data(4)), [counter.calls for counter in counters]


@program
def activations_collected_by_hooks(compile):
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.25)
    seen = {}

    def collector(name):
        def collect(module, given, result):
            seen[name] = result.detach()

        return collect

    handles = [child.register_forward_hook(collector(name)) for name, child in net.named_children()]
    f = compile(net)
    for number, first in first_of_phase((0, 1, 2)):
        if first and number == 1:
            seen.clear()
        if first and number == 2:
            handles[0].remove()
        yield f(data(3, 4) + number), dict(seen)


@program
def outputs_collected_and_cleared(compile):
    outputs = []

    def f(x):
        outputs.append(x * 2)
        return x + 1

    f = compile(f)
    for number in phases(0, 1):
        outputs.clear()
        yield f(data(4) + number), outputs


@program(refusable="a list grows at each call")
def outputs_collected_for_ever(compile):
    outputs = []

    def f(x):
        outputs.append(x * 2)
        return x + 1

    f = compile(f)
    for number in phases(0, 1):
        yield f(data(4) + number), len(outputs), outputs[-1]


@program
def list_of_a_module_cleared_inside(compile):
    class Collects(nn.Module):
        def __init__(self):
            super().__init__()
            self.outputs = []

        def forward(self, x):
            self.outputs.clear()
            for factor in range(3):
                self.outputs.append(x * factor)
            return sum(self.outputs)

    net = Collects()
    f, before = compile(net), net.outputs
    for number in phases(0, 1):
        yield f(data(4) + number), net.outputs, net.outputs is before


@program
def cache_in_a_dict_of_a_module(compile):
    class Caches(nn.Module):
        def __init__(self):
            super().__init__()
            self.cache = {}

        def forward(self, x):
            self.cache["key"] = self.cache["key"] * 0.5 + x if "key" in self.cache else x * 1
            return self.cache["key"] + 1

    net = Caches()
    f = compile(net)
    for number, first in first_of_phase((0, 1, 2)):
        if first and number == 1:
            net.cache = {}
        if first and number == 2:
            net.cache["key"] = data(4) * 3
        yield f(data(4)), net.cache


@program
def collecting_dict_read_under_another_name(compile):
    state = {"h": torch.zeros(4)}
    other = types.SimpleNamespace(state=state, factor=2.0)

    def f(x):
        state["h"] = state["h"] + x
        return other.state["h"] * other.factor

    f = compile(f)
    for factor, first in first_of_phase((2.0, 3.0, 4.0)):
        other.factor = factor
        if first and factor == 4.0:
            other.state = {"h": torch.ones(4)}
        yield f(data(4)), state, other.state


@program
def collecting_dict_is_an_argument_too(compile):
    state = {"h": torch.zeros(4)}

    def f(x, given):
        state["h"] = state["h"] + x
        return given["h"] * 2

    f = compile(f)
    for same in phases(False, True, False):
        yield f(data(4), state if same else {"h": torch.ones(4)}), state


@program
def tensor_shared_by_a_dict_and_a_list(compile):
    tensor = torch.zeros(4)
    by_name, in_order = {"h": tensor}, [tensor]

    def f(x):
        by_name["h"] = by_name["h"] + x
        in_order[0].add_(1)
        return by_name["h"] * 2 + in_order[0]

    f = compile(f)
    for number, first in first_of_phase((0, 1)):
        if first and number:
            by_name["h"] = in_order[0]
        yield f(data(4)), by_name, in_order, by_name["h"] is in_order[0]


@program
def inner_dict_held_elsewhere(compile):
    outer = {"inner": {"h": torch.zeros(4)}}
    other = types.SimpleNamespace(inner=outer["inner"])

    def f(x):
        outer["inner"]["h"] = outer["inner"]["h"] + x
        return other.inner["h"] * 2

    f = compile(f)
    for number, first in first_of_phase((0, 1)):
        if first and number:
            other.inner = {"h": torch.ones(4)}
        yield f(data(4)), outer, other.inner


@program
def key_taken_out_and_put_in_again(compile):
    def f(x, given):
        given["a"] = given.pop("a") + x
        return given["a"] * 2

    f = compile(f)
    for _ in phases(0, 1):
        given = {"a": data(4), "b": data(4)}
        yield f(data(4), given), given, list(given)


@program
def running_buffer_of_a_module(compile):
    class Runs(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", None)
            self.register_buffer("scale", torch.ones(4))

        def forward(self, x):
            self.mean = x if self.mean is None else self.mean * 0.9 + x * 0.1
            return self.mean * self.scale

    net = Runs()
    f = compile(net)
    for number, first in first_of_phase((0, 1, 2)):
        if first and number == 1:
            net.mean = None
        if first and number == 2:
            net.scale = torch.full((4,), 3.0)
        yield f(data(4)), net.state_dict(), list(net._buffers)


@program
def flag_toggled_by_each_call(compile):
    settings = types.SimpleNamespace(even=True)

    def f(x):
        result = x * 2 if settings.even else x + 1
        settings.even = not settings.even
        return result

    f = compile(f)
    for _ in phases(0, 1, 2):
        yield f(data(4)), settings.even


@program
def last_shape_kept(compile):
    last = types.SimpleNamespace(shape=None)

    def f(x):
        last.shape = tuple(x.shape)
        return x * 2

    f = compile(f)
    for size in phases(3, 5, 3):
        yield f(data(size)), last.shape
    for call in range(12):
        yield f(data(3 + call % 2)), last.shape


@program
def results_of_other_containers(compile):
    settings = types.SimpleNamespace(factor=1)

    def f(x):
        found = collections.defaultdict(list)
        found["a"].append(x * settings.factor)
        return found, {1, 2, settings.factor}, types.SimpleNamespace(double=x * 2, factor=settings.factor)

    f = compile(f)
    for settings.factor in phases(1, 7):
        found, numbers, pair = f(data(4))
        yield dict(found), found["new"], list(numbers), vars(pair), type(pair).__name__


@program
def parameters_returned(compile):
    net = nn.Linear(2, 2)
    nn.init.ones_(net.weight)
    f = compile(lambda x: (net.weight, x * 2, {"bias": net.bias}))
    for number, first in first_of_phase((0, 1)):
        if first and number:
            net.weight = nn.Parameter(torch.full((2, 2), 3.0))
        weight, double, others = f(data(2))
        yield weight is net.weight, double, others["bias"] is net.bias


@program
def dict_of_a_class_of_its_own_as_argument(compile):
    class Output(collections.OrderedDict):
        pass

    def f(x, output):
        return x * output["hidden"] * output.factor + list(output.values())[0]

    f = compile(f)
    for factor in phases(1, 2):
        output = Output(hidden=data(4), other=data(4) + 1)
        output.factor = factor
        if factor == 2:
            output.move_to_end("hidden")
        yield f(data(4), output)
