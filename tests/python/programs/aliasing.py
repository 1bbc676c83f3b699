"""Calls whose arguments share memory, now this way, now that way."""

import torch
from eager_equality import Kept, attempt

from . import data, phases, program


@program
def one_tensor_as_both_arguments(compile):
    def f(x, y):
        x.add_(1)
        return x * 2 + y

    compiled = compile(f)
    for same in phases(False, True, False):
        x = data(4, 8)
        y = x if same else data(4, 8)
        yield compiled(x, y), Kept(x), Kept(y)


@program
def both_arguments_written(compile):
    def f(x, y):
        x.mul_(2)
        y.add_(1)
        return x - y

    compiled = compile(f)
    for same in phases(False, True, False):
        x = data(4, 8)
        y = x if same else data(4, 8)
        yield compiled(x, y), Kept(x), Kept(y)


@program
def second_argument_is_a_view(compile):
    def f(x, row):
        x.add_(1)
        return row * 2

    compiled = compile(f)
    for start in phases(None, 0, 1, None):
        x = data(4, 8)
        row = data(8) if start is None else x[start]
        yield compiled(x, row), Kept(x), Kept(row)


@program
def two_views_of_one_base(compile):
    def f(x, y):
        x.mul_(2)
        y.add_(1)
        return x.sum() + y.sum(), x, y

    compiled = compile(f)
    for first, second in phases((0, 4), (0, 2), (2, 0), (0, 0), (0, 3), (0, 4)):
        base = data(8, 8)
        x, y = base[first : first + 3], base[second : second + 3]
        yield attempt(compiled, x, y), Kept(base)


@program
def interleaved_views_do_not_overlap(compile):
    def f(x, y):
        x.add_(y)
        return y * 2

    compiled = compile(f)
    for shift in phases(1, 0, 1):
        base = data(4, 16)
        yield compiled(base[:, ::2], base[:, shift::2]), Kept(base)


@program
def transposed_alias(compile):
    def f(x, y):
        x.add_(1)
        return x + y

    compiled = compile(f)
    for transposed in phases(False, True, False):
        x = data(6, 6)
        yield compiled(x, x.t() if transposed else x.clone().t()), Kept(x)


@program
def overlap_in_one_op_raises(compile):
    compiled = compile(lambda x, y: x.add_(y))
    for shift in phases(4, 1, 4):
        base = data(16)
        yield attempt(compiled, base[:4], base[shift : shift + 4]), Kept(base)


@program
def expanded_argument_written_raises(compile):
    compiled = compile(lambda x: x.add_(1))
    for expanded in phases(False, True, False):
        base = data(1, 8)
        yield attempt(compiled, base.expand(4, 8) if expanded else data(4, 8)), Kept(base)


@program
def argument_aliases_captured_tensor(compile):
    captured = data(4, 8)

    def f(x):
        x.mul_(2)
        return captured + 1

    compiled = compile(f)
    for alias in phases(False, True, False):
        captured.copy_(data(4, 8))
        x = captured if alias else data(4, 8)
        yield compiled(x), Kept(x), Kept(captured)


@program
def argument_aliases_captured_view(compile):
    base = data(8, 8)
    captured = base[2:6]

    def f(x):
        captured.add_(1)
        return x * 2

    compiled = compile(f)
    for start in phases(None, 0, 2, 6, None):
        base.copy_(data(8, 8))
        x = data(4, 8) if start is None else base[start : start + 2]
        yield compiled(x), Kept(base)


@program
def output_aliases_second_argument(compile):
    def f(x, y):
        x.add_(1)
        return y.view(-1)[2:], x[1:]

    compiled = compile(f)
    for same in phases(False, True, False):
        x = data(4, 8)
        y = x if same else data(4, 8)
        out = compiled(x, y)
        out[0].mul_(2)
        yield out, x, y


@program
def reads_only_but_aliased(compile):
    compiled = compile(lambda x, y: (x * y + x[0], x[1:], y[:1]))
    for same in phases(False, True, False):
        x = data(4, 8)
        yield compiled(x, x if same else data(4, 8)), x


@program
def views_recreated_between_writes(compile):
    def f(x):
        a = x.view(-1)
        b = x[1:]
        a[0] = 10
        b.mul_(2)
        c = a[4:12]
        c.add_(b.reshape(-1)[:8] * 1)
        return a.sum(), b, c

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)


@program
def as_strided_views(compile):
    def f(x):
        windows = x.as_strided((3, 4), (2, 1), 1)
        out = windows.sum(1)
        x.as_strided((2,), (5,), 0).zero_()
        return out, windows * 1

    compiled = compile(f)
    for offset in phases(0, 2, 0):
        x = data(20)[offset : offset + 16]
        yield compiled(x), Kept(x)


@program
def diagonal_and_unfold_views(compile):
    def f(x):
        x.diagonal().fill_(7)
        windows = x.unfold(1, 2, 2)
        windows.mul_(2)
        return windows.sum(-1), x.diagonal(1) * 1

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(6, 6)
        yield compiled(x), Kept(x)


@program
def real_and_complex_views(compile):
    def f(x):
        pairs = torch.view_as_real(x)
        pairs[..., 0] += 1
        return x * 2, x.real.sum(), x.imag

    compiled = compile(f)
    for _ in phases(0, 1):
        x = torch.complex(data(6), data(6) + 1)
        yield compiled(x), Kept(x)


@program
def memory_read_at_other_dtypes(compile):
    def f(x, rotation):
        pairs = torch.view_as_complex(x.reshape(-1, 4, 2)) * rotation
        turned = torch.view_as_real(pairs).flatten(1) + 1
        sign = turned[1:, 2:].view(torch.int32) >> 31
        turned.mul_(-3)
        return turned, sign, turned.view(torch.int32) & 0x7FFFFFFF, x.view(torch.float64)[:, 1:] * 2

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x, torch.polar(torch.ones(4), data(4))), Kept(x)


@program
def results_at_other_dtypes(compile):
    def f(x, z):
        turned, pairs = z * 2, (x + 1).reshape(-1, 2)
        return turned.imag, turned, torch.view_as_complex(pairs), pairs, x.view(torch.int32)[1:], z.real, z

    compiled = compile(f)
    for _ in phases(0, 1):
        x, z = data(6, 8)[1:, 2:], torch.complex(data(5, 3), data(5, 3) + 1)[2:, 1:]
        yield compiled(x, z), Kept((x, z))


@program
def result_at_another_dtype_alone(compile):
    compiled = compile(lambda x: (torch.fft.rfft(x).real, (x * 2).view(torch.uint8), (x + 1).view(torch.float64)[1:]))
    for _ in phases(0, 1):
        yield compiled(data(3, 8))


@program
def result_at_another_dtype_written(compile):
    compiled = compile(lambda z: torch.view_as_real(z)[1:])
    for _ in phases(0, 1):
        z = torch.complex(data(5), data(5) + 1)
        parts = compiled(z)
        parts += 1
        yield parts, z, z._version, parts._version, parts._is_view(), parts._base is z


@program
def bytes_of_a_tensor_written(compile):
    def f(x):
        x.view(torch.int32).bitwise_and_(0x7FFFFFFF)
        return x + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)


@program
def list_holds_one_tensor_twice(compile):
    def f(items):
        for step, item in enumerate(items):
            item.add_(step + 1)
        return torch.stack(items).sum(0)

    compiled = compile(f)
    for pattern in phases("xyz", "xxy", "xyx", "xyz"):
        tensors = {name: data(4, 8) + ord(name) for name in "xyz"}
        yield compiled([tensors[name] for name in pattern]), Kept(tensors)


@program
def nested_views_of_views(compile):
    def f(x):
        inner = x[1:].t()[2:].t()[:, ::2]
        inner.copy_(torch.arange(inner.numel()).view(inner.shape))
        return inner + 1, x.flatten()[9:13]

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)


@program
def narrow_writes_in_a_loop(compile):
    def f(x):
        for start in range(0, 8, 2):
            part = x.narrow(1, start, 2)
            part.mul_(start + 1)
            x[:, (start + 3) % 8] += part.sum(1)
        return x.clone()

    compiled = compile(f)
    for _ in phases(0, 1):
        x = data(4, 8)
        yield compiled(x), Kept(x)


@program
def different_dtypes_over_one_storage(compile):
    def f(x, y):
        x.add_(1)
        return y * 2

    compiled = compile(f)
    for shared in phases(False, True, False):
        x = data(8)
        y = (x if shared else data(8)).view(torch.int32)
        yield compiled(x, y), Kept(x)


@program
def zero_size_alias(compile):
    def f(x, y):
        x.add_(1)
        return y.sum(), x.sum()

    compiled = compile(f)
    for rows in phases(2, 0, 2):
        base = data(4, 8)
        yield compiled(base, base[:rows]), Kept(base)


@program
def adjacent_views(compile):
    def f(x, y):
        x.fill_(1)
        return x + y

    compiled = compile(f)
    for start in phases(4, 3, 4):
        base = data(8, 8)
        yield compiled(base[:4], base[start : start + 4]), Kept(base)


@program
def overlapping_windows_copied(compile):
    compiled = compile(lambda x: x.unfold(0, 3, 1).copy_(x.unfold(0, 3, 1) * 2).sum())
    for value in phases(0.0, 1.0, 0.0):  # zeros hide the order of the writes from a proof
        x = torch.full((6,), value)
        yield compiled(x), Kept(x)


@program
def overlapping_windows_written_by_foreach(compile):
    def f(x):
        torch._foreach_mul_([x.t().unfold(-1, 2, 1)], 2.0)
        return x.sum()

    compiled = compile(f)
    for value in phases(0.0, 1.0, 0.0):
        x = torch.full((4, 6), value)
        yield compiled(x), Kept(x)


@program
def overlapping_windows_accumulated(compile):
    compiled = compile(lambda x, y: x.as_strided((3, 3), (1, 1)).add_(y).sum())
    for value in phases(0.0, 1.0, 0.0):
        x = torch.full((6,), value)
        yield compiled(x, torch.full((3, 3), value)), Kept(x)


@program
def memory_that_no_operator_was_seen_to_write(compile):
    compiled = compile(lambda x: torch.nn.functional.max_pool1d(x, 3, 2, 1))
    for rows in phases(2, 3, 2):
        yield compiled(data(1, rows, 9))
