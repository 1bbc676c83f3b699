"""Calls whose sizes follow values, while what else they depend on changes between them."""

import torch
import torch.nn.functional as F
from eager_equality import Kept, attempt
from torch import nn

from . import data, phases, program


def masks():
    """Six masks of other sizes, the same in every run."""
    for step, bound in enumerate((-1.0, 0.5, 1.0, -2.0, 0.0, 2.0)):
        yield data(12, 4).roll(step, 0)[:, 0] > bound


@program
def weight_replaced(compile):
    layer = nn.Linear(4, 4)
    compiled = compile(lambda x, m: F.relu(layer(x[m])) * 2)
    for scale in (1.0, 2.0):
        layer.weight = nn.Parameter(data(4, 4) * scale)
        layer.bias = nn.Parameter(data(4))
        for mask in masks():
            yield compiled(data(12, 4), mask)


@program
def threshold_of_a_module_changes(compile):
    class Gate(nn.Module):
        threshold = 0.5

        def forward(self, x):
            kept = x[x[:, 0] > self.threshold]
            return kept.sin() * 2 + self.threshold, len(kept) > 2

    gate = Gate()
    compile(gate)
    for threshold in (0.5, -1.0):
        gate.threshold = threshold
        for step in range(6):
            yield gate(data(12, 4) + step / 2)


@program
def dropout_switched_on(compile):
    layer = nn.Dropout(0.5)
    compiled = compile(lambda x, m: layer(x[m].sin() * 2) + 1)
    for training in (False, True, False):
        layer.train(training)
        for mask in masks():
            yield compiled(data(12, 4), mask)


@program
def arguments_that_share_memory(compile):
    def f(x, y, m):
        kept = x[m].sin() * 2
        y.add_(1)
        return kept + x[m], y[m] - 1

    compiled = compile(f)
    for together in (False, True):
        for mask in masks():
            x = data(12, 4)
            y = x if together else data(12, 4)
            yield compiled(x, y, mask), Kept((x, y))


@program
def written_through_a_mask(compile):
    def f(x, m):
        x[m] = x[m].sin() * 2
        x[~m] += 1
        return x[m].cos() + 1, x

    compiled = compile(f)
    for mask in [*masks(), *masks()]:
        x = data(12, 4)
        yield compiled(x, mask), Kept(x)


@program
def results_collected_in_a_list(compile):
    def f(x, m, found):
        found.append(x[m].sin() * 2)
        return len(found)

    compiled = compile(f)
    for mask in [*masks(), *masks()]:
        found = []
        yield compiled(data(12, 4), mask, found), found


@program
def autocast_switched_on(compile):
    weight = data(4, 4)
    compiled = compile(lambda x, m: F.relu(x[m] @ weight) * 2)
    for enabled in (False, True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            for mask in masks():
                yield compiled(data(12, 4), mask)


@program
def index_out_of_range_behind_a_cut(compile):
    compiled = compile(lambda x, m, table: table[m.nonzero().squeeze(1)].sin() * 2 + 1)
    for rows in (12, 4):
        for mask in masks():
            yield attempt(compiled, data(12, 4), mask, data(rows, 4))


@program
def nothing_chosen_at_times(compile):
    def f(x, m):
        kept = x[m]
        if kept.numel() == 0:
            return x.mean(0) * 2
        return kept.sin().amax(0) + 1

    compiled = compile(f)
    for nothing in phases(False, True, False):
        for mask in masks():
            yield compiled(data(12, 4), mask & torch.tensor(not nothing))


@program(refusable="the code keeps a size")
def size_kept_by_the_module(compile):
    class Counter(nn.Module):
        last = 0

        def forward(self, x, m):
            kept = x[m].sin() * 2
            self.last = kept.shape[0]
            return kept + 1

    counter = Counter()
    compile(counter)
    for mask in [*masks(), *masks()]:
        yield counter(data(12, 4), mask), type(counter.last).__name__, counter.last
