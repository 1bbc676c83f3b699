"""Calls whose Python reads values of tensors, or whose result sizes depend on them."""

import torch
from eager_equality import Kept

from . import data, phases, program


@program(refusable="branches on a value")
def branch_on_a_sum(compile):
    compiled = compile(lambda x: x + 1 if x.sum() > 0 else x - 1)
    for sign in phases(1, -1, 1):
        yield compiled(torch.ones(4, 8) * sign)


@program(refusable="reads a number")
def item_used_as_factor(compile):
    compiled = compile(lambda x: x * x.max().item())
    for factor in phases(1.0, 2.0, 3.0):
        yield compiled(data(4, 8) * factor)


@program(refusable="reads a number")
def item_returned(compile):
    compiled = compile(lambda x: (x.sum().item(), int(x[0, 0]), float(x.mean()), bool(x.any()), x.tolist()))
    for factor in phases(1.0, 2.0):
        yield compiled(data(2, 3) * factor)


@program(refusable="loops by a value")
def loop_by_a_value(compile):
    def f(x, steps):
        for _ in range(steps.item()):
            x = x * 2 + 1
        return x

    compiled = compile(f)
    for steps in phases(1, 3, 2, 1):
        yield compiled(data(4, 8), torch.tensor(steps))


@program(refusable="loops until a value")
def loop_until_convergence(compile):
    def f(x):
        while x.abs().max() > 1:
            x = x / 2
        return x

    compiled = compile(f)
    for factor in phases(1.0, 30.0, 1.0):
        yield compiled(data(4, 8) * factor)


@program(refusable="indexes by a value")
def value_as_python_index(compile):
    names = ["relu", "tanh", "neg"]
    compiled = compile(lambda x, index: getattr(x, names[index])())
    for index in phases(0, 1, 2, 0):
        yield compiled(data(4, 8), torch.tensor(index))


@program(refusable="slices by a value")
def value_as_slice_bound(compile):
    compiled = compile(lambda x, end: x[:end] * 2)
    for end in phases(2, 3, 2):
        yield compiled(data(4, 8), torch.tensor(end))


@program(refusable="reads a value of what it wrote")
def value_of_written_argument(compile):
    def f(x):
        x.add_(1)
        return x * 2 if x[0, 0] > 0 else x * 3

    compiled = compile(f)
    for shift in phases(0.0, 5.0, 0.0):
        x = data(4, 8) + shift
        yield compiled(x), Kept(x)


@program(refusable="assertion on a value")
def assertion_on_values(compile):
    from eager_equality import attempt

    def f(x):
        assert torch.isfinite(x).all(), "not finite"
        return x + 1

    compiled = compile(f)
    for value in phases(1.0, float("inf"), 1.0):
        yield attempt(compiled, data(4, 8) * value)


@program(refusable="size depends on values")
def boolean_index(compile):
    compiled = compile(lambda x: (x[x > 0] * 2, x[x > 1].sum()))
    for shift in phases(0.0, 1.0, -9.0):
        yield compiled(data(4, 8) + shift)


@program(refusable="size depends on values")
def nonzero_positions(compile):
    compiled = compile(lambda x: (x.nonzero(), torch.where(x > 0), torch.argwhere(x)))
    for shift in phases(0.0, 1.0):
        yield compiled(data(4, 8) + shift)


@program(refusable="size depends on values")
def unique_values(compile):
    compiled = compile(lambda x: torch.unique(x, return_counts=True))
    for shift in phases(1, 5):
        yield compiled(torch.arange(12) % shift)


@program(refusable="size depends on values")
def repeat_by_tensor(compile):
    compiled = compile(lambda x, counts: x.repeat_interleave(counts, 0) + 1)
    for last in phases(1, 3):
        yield compiled(data(3, 4), torch.tensor([1, 2, last]))


@program(refusable="size depends on values")
def masked_select(compile):
    compiled = compile(lambda x, mask: x.masked_select(mask) * 2)
    for bound in phases(0, 1):
        yield compiled(data(4, 8), data(4, 8) > bound)


@program(refusable="size depends on values")
def bin_counts(compile):
    compiled = compile(lambda x: torch.bincount(x) + 1)
    for most in phases(3, 6):
        yield compiled(torch.arange(12) % most)


@program(refusable="size depends on values")
def one_hot_without_count(compile):
    compiled = compile(lambda x: torch.nn.functional.one_hot(x).float() * 2)
    for most in phases(3, 6):
        yield compiled(torch.arange(12) % most)


@program(refusable="reads through NumPy")
def numpy_conversion(compile):
    compiled = compile(lambda x: x * float(x.numpy().max()))
    for factor in phases(1.0, 2.0):
        yield compiled(data(4, 8) * factor)


@program(refusable="shares memory with NumPy")
def numpy_result(compile):
    compiled = compile(lambda x: (x * 2).numpy())
    for factor in phases(1.0, 2.0):
        yield compiled(data(4, 8) * factor)


@program(refusable="reads through NumPy")
def numpy_function_on_tensor(compile):
    import numpy

    compiled = compile(lambda x: torch.as_tensor(numpy.sin(x)) + 1)
    for factor in phases(1.0, 2.0):
        yield compiled(data(4, 8) * factor)


@program(refusable="writes through NumPy")
def numpy_write(compile):
    def f(x):
        y = x * 2
        y.numpy()[0] = 5
        return y + 1

    compiled = compile(f)
    for factor in phases(1.0, 2.0):
        yield compiled(data(4, 8) * factor)


@program(refusable="reads an address")
def address_read(compile):
    compiled = compile(lambda x, y: x + 1 if x.data_ptr() == y.data_ptr() else x - 1)
    for same in phases(False, True, False):
        x = data(4, 8)
        yield compiled(x, x if same else data(4, 8))


@program(refusable="reads a version counter")
def version_read(compile):
    compiled = compile(lambda x: x + x._version)
    for writes in phases(0, 2, 0):
        x = data(4, 8)
        for _ in range(writes):
            x.add_(1)
        yield compiled(x)


@program(refusable="text of a tensor")
def text_of_tensor(compile):
    compiled = compile(lambda x: (str(x), f"{x.sum():.2f}", x + 1))
    for factor in phases(1.0, 2.0):
        yield compiled(data(2, 3) * factor)


@program(refusable="compares tensors in Python")
def equality_of_tensors(compile):
    compiled = compile(lambda x, y: x + 1 if torch.equal(x, y) else x - y)
    for shift in phases(0, 1, 0):
        yield compiled(data(4, 8), data(4, 8) + shift)


@program(refusable="membership reads values")
def membership(compile):
    compiled = compile(lambda x: x + 1 if 2 in x else x - 1)
    for value in phases(2, 3, 2):
        yield compiled(torch.full((4,), value))


@program(refusable="serialises a tensor")
def pickled_inside(compile):
    import pickle

    compiled = compile(lambda x: pickle.loads(pickle.dumps(x)) * 2)
    for factor in phases(1.0, 2.0):
        yield compiled(data(4, 8) * factor)


@program(refusable="shares memory by DLPack")
def dlpack(compile):
    compiled = compile(lambda x: torch.from_dlpack(x * 2) + 1)
    for factor in phases(1.0, 2.0):
        yield compiled(data(4, 8) * factor)


@program(refusable="hashes a tensor")
def tensor_as_dict_key(compile):
    table = {}

    def f(x):
        return x + table.get(x, 0.0)

    compiled = compile(f)
    x = data(4, 8)
    for known in phases(False, True, False):
        table.clear()
        if known:
            table[x] = 5.0
        yield compiled(x)


@program
def values_chosen_by_tensor_ops(compile):
    compiled = compile(lambda x: torch.where(x.sum() > 0, x + 1, x - 1) * (x > 0))
    for sign in phases(1, -1, 1):
        yield compiled(torch.ones(4, 8) * sign)


@program
def indices_from_tensors(compile):
    compiled = compile(lambda x, index: (x[index], x.index_select(0, index), x.take(index), x[index, index]))
    for first in phases(0, 3, -1):
        index = torch.tensor([first, 1]) if first >= 0 else torch.tensor([2, 2])
        yield compiled(data(4, 8), index)


@program(refusable="sorts in Python by values")
def sorted_in_python(compile):
    compiled = compile(lambda x: torch.stack(sorted(x, key=lambda row: row[0].item())))
    for sign in phases(1, -1):
        yield compiled(data(4, 8) * sign)


@program
def equality_of_contents(compile):
    f = compile(lambda x, y: x + 1 if torch.equal(x, y) else x - y)
    for same in phases(True, False, True):
        x = data(4, 8)
        yield f(x, x.clone() if same else x + 1)


@program
def branch_on_a_nonzero_number(compile):
    f = compile(lambda x: x + 1 if x.sum() else x - 1)
    for scale in phases(1.0, 0.0, 2.0):
        yield f(data(4, 8) * scale + scale)


@program
def composites_that_fill_memory_themselves(compile):
    f = compile(lambda x: torch.quantile(x, 0.3) + torch.nn.functional.max_pool1d(x[None], 2).sum())
    for scale in phases(1.0, 2.0):
        yield f(data(4, 8) * scale)
