"""functools caches that calls ask about tensors: those they make themselves, and those that come back."""

import functools

import torch
from torch import nn

from programs import data, first_of_phase, phases, program


class Positions(nn.Module):
    """A table of positions for a mask, kept for the last mask that was asked for."""

    def __init__(self, width):
        super().__init__()
        self.width = width
        self.scale = 1.0

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def forward(self, shape, dtype, mask):
        place = torch.cumsum(mask, 0).to(dtype)
        return place[:, None] * self.scale + torch.arange(self.width, dtype=dtype)[None] * shape[0]


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions = Positions(8)
        self.act = nn.ReLU()

    def forward(self, x):
        mask = (x.sum(1) > 0).long()
        return self.act(x + self.positions(x.shape, x.dtype, mask)), self.positions(x.shape, x.dtype, mask + 1)


@program
def mask_made_inside(compile):
    model = Detector()
    compiled = compile(model)
    for scale in phases(1.0, 2.0):
        model.positions.scale = scale
        yield compiled(data(4, 8) * scale)


@program
def masks_of_several_sizes(compile):
    compiled = compile(Detector())
    for rows in phases(4, 6, 4, 5):
        yield compiled(data(rows, 8))


@program(refusable="the cache answers a call that brings the same tensor")
def mask_given(compile):
    positions = Positions(8)
    compiled = compile(lambda x, mask: x + positions(x.shape, x.dtype, mask))
    mask = torch.ones(4, dtype=torch.long)
    for call, first in first_of_phase([0, 1, 2]):
        if first and call == 1:
            mask[1] = 5  # the cache does not notice
        if first and call == 2:
            mask = mask.clone()
        yield compiled(data(4, 8), mask)


@program(refusable="a mask that was returned may come back")
def mask_returned_and_given(compile):
    positions = Positions(8)

    def f(x, mask):
        if mask is None:
            mask = (x.sum(1) > 0).long()
        return x + positions(x.shape, x.dtype, mask), mask

    compiled = compile(f)
    for _ in range(8):
        y, mask = compiled(data(4, 8), None)
        mask.add_(3)
        yield y, compiled(data(4, 8), mask)[0]


@program(refusable="the cache is asked twice about one mask")
def mask_asked_about_twice(compile):
    positions = Positions(8)

    def f(x):
        mask = (x.sum(1) > 0).long()
        first = positions(x.shape, x.dtype, mask)
        mask.add_(1)
        return x + first, positions(x.shape, x.dtype, mask) is first

    compiled = compile(f)
    for number in range(8):
        yield compiled(data(4, 8) + number)


@program(refusable="what lies in the cache counts")
def mask_kept_on_an_object(compile):
    positions = Positions(8)

    class Keeps:
        mask = None

        def __call__(self, x):
            if self.mask is None:
                self.mask = (x.sum(1) > 0).long()
            return x + positions(x.shape, x.dtype, self.mask)

    keeps = Keeps()
    compiled = compile(keeps)
    for call, first in first_of_phase([0, 1, 2]):
        if first and call == 1:
            keeps.mask.add_(2)
        if first and call == 2:
            keeps.mask = None
        yield compiled(data(4, 8))


@program
def cleared_between_calls(compile):
    model = Detector()
    compiled = compile(model)
    for call, first in first_of_phase([0, 1]):
        if first:
            Positions.forward.cache_clear()
        yield compiled(data(4, 8) + call)


@program(refusable="what the cache answers counts, and it moves")
def numbers_and_masks_in_one_cache(compile):
    @functools.lru_cache(maxsize=4)
    def table(key, rows):
        return torch.arange(4.0) * rows if key is None else key.float() * rows

    compiled = compile(lambda x: x + table(None, 4) * table((x > 0).long(), 3))
    for number in range(16):
        yield compiled(data(4) + number)


class Levels(nn.Module):
    """Asks about several sizes in turn, of which the cache holds one."""

    def __init__(self):
        super().__init__()
        self.scale = 1.0

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def table(self, size, dtype):
        return torch.arange(8, dtype=dtype) * size * self.scale

    def forward(self, x):
        return x + self.table(2, x.dtype) + self.table(3, x.dtype)


@program(refusable="the cache holds another answer after each question")
def cache_too_small_for_one_call(compile):
    model = Levels()
    compiled = compile(model)
    for scale in phases(1.0, 2.0):
        model.scale = scale
        yield compiled(data(4, 8))


@program(refusable="the cache holds another answer after each question")
def answer_left_by_somebody_else(compile):
    """Before a call the cache has what the call will ask for first, written in place by the caller."""
    model = Levels()
    compiled = compile(model)
    for number in range(24):
        if number % 8 == 7:
            model.table(2, torch.float32).add_(number)
        if number % 8 == 5:
            model.table(3, torch.float32).add_(number)  # what the last call has left
        yield compiled(data(4, 8))


@program
def module_converted_to_what_it_is(compile):
    module = nn.Linear(8, 8)
    nn.init.constant_(module.weight, 0.5)
    nn.init.constant_(module.bias, 0.25)

    def f(x):
        return module.to(x.dtype)(x)

    compiled = compile(f)
    for dtype in phases(torch.float32, torch.float64, torch.float32):
        yield compiled(data(4, 8).to(dtype)), module.weight
