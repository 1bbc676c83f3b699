"""Small programs whose hidden state, aliasing, shapes or dtypes change between calls; a file a theme.

A program is a generator function. It gets `compile`, which is braze.compile in one run and the identity in the other,
builds its own world, calls, changes something, calls again, and yields whatever a user could look at. Both runs must
yield the same. Programs run under no_grad unless they say `grad=True`; `refusable` says why a refusal is fair.
"""

import dataclasses
import importlib

import torch

CALLS = 6
THEMES = (
    "python_state", "settings", "object_state", "module_state", "parameters", "torch_state", "arguments", "results",
    "mutation", "aliasing", "effects", "values_and_sizes", "callables", "argument_objects",
    "kept_state", "shared_objects", "generators_and_draws", "states_and_inputs", "hidden_facts",
    "counters_and_collectors", "said", "staged_calls", "alternating", "fresh_keys",
)  # fmt: skip

table = {}


@dataclasses.dataclass
class Program:
    name: str
    run: object
    refusable: str | None
    grad: bool


def program(function=None, *, refusable=None, grad=False):
    """Puts a generator function into the table."""

    def register(function):
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        assert name not in table, name
        table[name] = Program(name, function, refusable, grad)
        return function

    return register if function is None else register(function)


def phases(*values):
    """Each value for several calls: long enough that a compiled entry is in use when the value changes."""
    for value in values:
        for _ in range(CALLS):
            yield value


def first_of_phase(values):
    """(value, whether this is the first call of its phase)."""
    for value in values:
        for call in range(CALLS):
            yield value, call == 0


def at_positions(f):
    """The results of `f(x, i)` where `i` is in range, then out of range, then in range again."""
    for i in phases(0, 9, 0):
        try:
            result = f(data(4), torch.tensor([i]))
        except IndexError:
            result = "out of range"
        yield result


def data(*shape, dtype=torch.float32):
    """Numbers small enough to stay exact under a few sums and products, the same in every run."""
    count = 1
    for size in shape:
        count *= size
    return ((torch.arange(count) * 7 % 23 - 11) / 4).reshape(shape).to(dtype)


def all_programs():
    for theme in THEMES:
        importlib.import_module(f"programs.{theme}")
    return list(table.values())
