"""Calls that write their arguments, captured tensors and their own intermediates, in every way PyTorch offers."""

import torch
from eager_equality import Kept, attempt
from torch import nn

from . import data, phases, program


@program
def argument_written(compile):
    compiled = compile(lambda x: x.mul_(2).add_(1))
    for factor in phases(1.0, 2.0):
        x = data(4, 8) * factor
        yield compiled(x), Kept(x)


@program
def same_tensor_written_every_call(compile):
    compiled = compile(lambda x: x.mul_(0.5).add_(1).sum())
    x = data(4, 8)
    for _ in phases(0, 1):
        yield compiled(x), Kept(x)


@program
def view_of_argument_written(compile):
    def f(x):
        x[1:, ::2] = 3
        x.t()[0].add_(1)
        x[0, 0] = x.sum()
        return x * 2

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)


@program
def view_argument_written(compile):
    compiled = compile(lambda x: x.mul_(2))
    for start in phases(0, 1, 2):
        base = data(6, 8)
        yield compiled(base[start : start + 3]), Kept(base)


@program
def strided_argument_written(compile):
    compiled = compile(lambda x: x.add_(1).relu_())
    for transposed in phases(False, True, False):
        base = data(8, 8)
        yield compiled(base.t()[::2] if transposed else base[::2]), Kept(base)


@program
def written_then_read_through_old_view(compile):
    def f(x):
        row = x[1]
        before = row * 1
        x.add_(1)
        return before, row * 1, row

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)


@program
def read_before_and_after_write(compile):
    def f(x, y):
        a = x + y
        x.copy_(y)
        b = x + y
        y.zero_()
        return a, b, x + y

    compiled = compile(f)
    for _ in phases(0, 1):
        x, y = data(4, 8), data(4, 8) + 1
        yield compiled(x, y), Kept(x), Kept(y)


@program
def written_with_broadcast_and_cast(compile):
    compiled = compile(lambda x, y: x.copy_(y))
    for dtype in phases(torch.float32, torch.int64, torch.float64, torch.bfloat16):
        x = data(4, 8)
        yield compiled(x, data(8).to(dtype)), Kept(x)


@program
def integer_written_by_float_raises(compile):
    compiled = compile(lambda x: x.add_(0.5))
    for dtype in phases(torch.float32, torch.int64, torch.float32):
        x = data(4, 8).to(dtype)
        yield attempt(compiled, x), Kept(x)


@program
def item_assignment(compile):
    def f(x, index, mask):
        x[index] = -1
        x[mask] = 0
        x[..., -1] *= 2
        x[:, None, :2] = x[:, None, 2:4]
        return x.sum()

    compiled = compile(f)
    for row in phases(0, 2):
        x = data(4, 8)
        yield compiled(x, torch.tensor([row, 1]), x > 2), Kept(x)


@program
def index_writes(compile):
    def f(x, index):
        x.index_add_(0, index, torch.ones(2, 8))
        x.scatter_(1, index[:, None].expand(2, 4), 9.0)
        x.index_fill_(0, index, 2.0)
        x.masked_fill_(x > 2.5, 0)
        x.index_put_((index,), torch.tensor(1.0), accumulate=True)
        return x

    compiled = compile(f)
    for row in phases(0, 2):
        x = data(4, 8)
        yield compiled(x, torch.tensor([row, 1])), Kept(x)


@program
def out_argument(compile):
    compiled = compile(lambda x, y, out: torch.add(x, y, out=out))
    for _ in phases(0, 1):
        out = torch.zeros(4, 8)
        yield compiled(data(4, 8), data(8), out), Kept(out)


@program
def out_argument_of_wrong_size(compile):
    compiled = compile(lambda x, out: torch.mul(x, 2, out=out))
    for size in phases(4, 0, 2, 4):
        out = torch.zeros(size, 8) if size else torch.empty(0)
        yield compiled(data(4, 8), out), out


@program
def out_argument_of_other_dtype(compile):
    compiled = compile(lambda x, out: torch.mul(x, 2, out=out))
    for dtype in phases(torch.float32, torch.float64, torch.int32, torch.float32):
        out = torch.zeros(4, 8, dtype=dtype)
        yield attempt(compiled, data(4, 8), out), out


@program
def out_argument_is_the_input(compile):
    compiled = compile(lambda x: torch.mul(x, 2, out=x) + 1)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)


@program
def out_arguments_of_two(compile):
    compiled = compile(lambda x, values, indices: torch.max(x, 1, out=(values, indices)))
    for _ in phases(0, 1):
        values, indices = torch.zeros(4), torch.zeros(4, dtype=torch.int64)
        yield compiled(data(4, 8), values, indices), Kept(values), Kept(indices)


@program
def out_is_a_strided_view(compile):
    compiled = compile(lambda x, out: torch.exp(x, out=out))
    for step in phases(1, 2, 1):
        base = torch.zeros(4, 16)
        yield compiled(data(4, 8), base[:, : 8 * step : step]), Kept(base)


@program
def foreach_writes(compile):
    def f(parameters, gradients):
        torch._foreach_mul_(parameters, 0.9)
        torch._foreach_add_(parameters, gradients, alpha=-0.1)
        return torch._foreach_norm(parameters)

    compiled = compile(f)
    for count in phases(2, 3, 2):
        parameters = [data(4, 8) + i for i in range(count)]
        yield compiled(parameters, [data(4, 8) * i for i in range(count)]), Kept(parameters)


@program
def foreach_with_one_tensor_twice(compile):
    def f(parameters):
        torch._foreach_add_(parameters, 1.0)

    compiled = compile(f)
    for twice in phases(False, True, False):
        x, y = data(4, 8), data(4, 8)
        compiled([x, x] if twice else [x, y])
        yield Kept(x), Kept(y)


@program
def own_intermediate_written(compile):
    def f(x):
        y = torch.zeros(4, 8)
        y[1:] = x[1:]
        y[:, 0] += 5
        z = y.clone()
        y.neg_()
        return y, z

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def row_by_row_fill(compile):
    def f(x):
        out = torch.empty_like(x)
        for row in range(x.shape[0]):
            out[row] = x[row] * row
        return out

    compiled = compile(f)
    for rows in phases(3, 4, 3):
        yield compiled(data(rows, 8))


@program
def partly_uninitialised(compile):
    def f(x):
        out = torch.empty(4, 8)
        out[:2] = x[:2]
        out[2:] = 0
        return out

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def shape_changed_in_place(compile):
    def f(x):
        x.t_()
        x.unsqueeze_(0)
        x.squeeze_(0)
        x.transpose_(0, 1)
        x.unsqueeze_(1)
        return x * 2

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), x


@program
def transposed_in_place_and_written(compile):
    compiled = compile(lambda x: x.t_().add_(1))
    x = data(4, 8)
    for _ in phases(0, 1):
        yield compiled(x), x


@program
def intermediate_shape_changed_in_place(compile):
    def f(x):
        y = x * 2
        y.t_()
        y.unsqueeze_(-1)
        return y, y.squeeze(-1) + 1

    compiled = compile(f)
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))


@program
def resized(compile):
    compiled = compile(lambda x, rows: x.resize_(rows, 8).zero_())
    for rows in phases(4, 2, 6):
        x = data(4, 8)
        yield compiled(x, rows), x


@program
def storage_replaced(compile):
    def f(x, y):
        x.set_(y)
        return x + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        x, y = data(4, 8), data(3, 8)
        yield compiled(x, y), x, y


@program
def data_replaced_inside(compile):
    def f(x, y):
        x.data = y
        return x + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        x, y = data(4, 8), data(3, 8)
        yield compiled(x, y), x, y


@program
def data_attribute_written_inside(compile):
    def f(x):
        x.data.add_(1)
        return x * 2

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), x


@program
def detached_alias_written(compile):
    def f(x):
        x.detach().mul_(3)
        return x + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)


@program
def captured_tensor_written(compile):
    total = torch.zeros(8)

    def f(x):
        total.add_(x.sum(0))
        return x + total

    compiled = compile(f)
    for factor in phases(1.0, 2.0):
        yield compiled(data(4, 8) * factor), Kept(total)


@program
def ring_buffer(compile):
    buffer = torch.zeros(4, 8)

    def f(x, position):
        buffer[position] = x
        return buffer.mean(0)

    compiled = compile(f)
    for step in range(16):
        yield compiled(data(8) + step, step % 4), Kept(buffer)


@program
def static_cache_with_tensor_position(compile):
    cache = torch.zeros(1, 16, 8)

    def f(x, position):
        cache.index_copy_(1, position, x)
        scores = x @ cache.transpose(1, 2)
        mask = torch.arange(16) <= position
        return scores.masked_fill(~mask, float("-inf")).softmax(-1) @ cache

    compiled = compile(f)
    for step in range(12):
        yield compiled(data(1, 1, 8) + step, torch.tensor([step])), Kept(cache)


@program(grad=True)
def leaf_written_raises(compile):
    compiled = compile(lambda x: x.add_(1))
    for wanted in phases(False, True, False):
        x = data(4, 8).requires_grad_(wanted)
        yield attempt(compiled, x), x


@program(grad=True)
def backward_sees_the_version(compile):
    def f(x):
        return x.mul_(2)

    compiled = compile(f)
    for _ in phases(0, 1):
        leaf = data(4, 8).requires_grad_()
        x = data(4, 8)
        y = leaf * x
        compiled(x)
        yield attempt(y.sum().backward)


@program
def relu_in_place_module(compile):
    torch.manual_seed(0)
    net = compile(nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True), nn.Linear(8, 4), nn.Hardswish(inplace=True)))
    for inplace in phases(True, False, True):
        net[1].inplace = inplace
        yield net(data(4, 8))


@program
def relu_in_place_on_argument(compile):
    net = compile(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 4)))
    for inplace in phases(True, False, True):
        net[0].inplace = inplace
        x = data(4, 8)
        yield net(x), Kept(x)


@program
def random_fill_of_argument(compile):
    compiled = compile(lambda x: x.uniform_() + 1)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)


@program
def swap_of_two_arguments(compile):
    def f(x, y):
        old = x.clone()
        x.copy_(y)
        y.copy_(old)

    compiled = compile(f)
    for _ in phases(0, 1):
        x, y = data(4, 8), data(4, 8) + 1
        yield compiled(x, y), Kept(x), Kept(y)


@program
def written_back_unchanged(compile):
    compiled = compile(lambda x: x.copy_(x))
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)


@program
def empty_write(compile):
    def f(x):
        x[4:] = 1
        x[:0].add_(1)
        return x + 0

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)
