"""Calls whose arguments change: shapes, strides, dtypes, numbers, containers, keywords."""

import collections
import dataclasses

import numpy
import torch
from eager_equality import attempt
from torch import nn

from . import data, phases, program


@program
def size_grows(compile):
    compiled = compile(lambda x: (x * 2 + 1).sum(-1))
    for length in phases(4, 5, 6, 7, 4):
        yield compiled(data(length, 8))


@program
def size_changes_every_call(compile):
    compiled = compile(lambda x: torch.softmax(x, -1) * x.shape[0])
    for length in range(1, 25):
        yield compiled(data(length, 8))


@program
def size_is_read_by_python(compile):
    compiled = compile(lambda x: x / x.shape[0] if len(x) > 4 else x * x.numel())
    for length in phases(4, 8, 3, 4):
        yield compiled(data(length, 8))


@program
def loop_over_rows(compile):
    def f(x):
        total = torch.zeros(x.shape[1])
        for row in x:
            total = total * 0.5 + row
        return total

    compiled = compile(f)
    for length in phases(2, 3, 2):
        yield compiled(data(length, 8))


@program
def rank_changes(compile):
    compiled = compile(lambda x: x.relu().sum(-1))
    for shape in phases((8,), (4, 8), (2, 4, 8), (8,)):
        yield compiled(data(*shape))


@program
def one_becomes_broadcast(compile):
    compiled = compile(lambda x, y: x * y + 1)
    for rows, columns in phases((4, 8), (1, 8), (4, 1), (1, 1), (4, 8)):
        yield compiled(data(4, 8), data(rows, columns))


@program
def zero_size(compile):
    compiled = compile(lambda x: (x * 2, x.sum(), x.sum(0), torch.cat([x, x])))
    for length in phases(4, 0, 4):
        yield compiled(data(length, 8))


@program
def zero_dimensional(compile):
    compiled = compile(lambda x, y: (x * y, x + 1, y.exp()))
    for shape in phases((), (3,), ()):
        yield compiled(data(4, 3), data(*shape))


@program
def dtype_changes(compile):
    compiled = compile(lambda x: x * 2 + x.abs())
    for dtype in phases(torch.float32, torch.bfloat16, torch.int64, torch.float64, torch.uint8, torch.float32):
        yield compiled(data(4, 8).abs().to(dtype))


@program
def zero_dimensional_wide_dtype(compile):
    compiled = compile(lambda x, scale: x * scale)
    for scale in phases(torch.tensor(2.0), torch.tensor(2.0, dtype=torch.float64), torch.tensor(2), torch.tensor(True)):
        yield compiled(data(4, 8, dtype=torch.bfloat16), scale)


@program
def strides_change(compile):
    compiled = compile(lambda x: (x * 2, x.reshape(-1), x.sum(0)))
    square = data(8, 8)
    variants = [square, square.t(), data(8, 16)[:, ::2], data(16, 8)[::2], square]
    for x in phases(*variants):
        yield compiled(x)


@program
def output_strides_follow_inputs(compile):
    compiled = compile(lambda x, y: (x + y, x.clone(), torch.empty_like(x).fill_(1), x.contiguous()))
    plain, transposed = data(2, 3, 4), data(4, 3, 2).permute(2, 1, 0)
    for x, y in phases((plain, plain), (transposed, plain), (plain, transposed), (transposed, transposed)):
        yield compiled(x, y)


@program
def channels_last(compile):
    torch.manual_seed(0)
    net = compile(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    for memory_format in phases(torch.contiguous_format, torch.channels_last, torch.contiguous_format):
        yield net(data(2, 3, 6, 6).to(memory_format=memory_format))


@program
def view_fails_on_strides(compile):
    compiled = compile(lambda x: x.view(-1) + 1)
    for transposed in phases(False, True, False):
        yield attempt(compiled, data(4, 8).t() if transposed else data(8, 4))


@program
def is_contiguous_is_read(compile):
    compiled = compile(lambda x: x + 1 if x.is_contiguous() else x - 1)
    for transposed in phases(False, True, False):
        yield compiled(data(4, 8).t() if transposed else data(8, 4))


@program
def stride_is_read(compile):
    compiled = compile(lambda x: x * x.stride(0) + x.storage_offset())
    for x in phases(data(4, 8), data(4, 16)[:, 8:], data(5, 8)[1:], data(4, 8)):
        yield compiled(x)


@program
def expanded_argument(compile):
    compiled = compile(lambda x: (x * 2, x.contiguous(), x.sum(0)))
    for expanded in phases(False, True, False):
        yield compiled(data(8).expand(4, 8) if expanded else data(4, 8))


@program
def overlapping_windows_argument(compile):
    compiled = compile(lambda x: (x * 2).sum(1))
    for step in phases(4, 1, 2, 4):
        yield compiled(data(32).unfold(0, 4, step)[:5])


@program
def misaligned_argument(compile):
    compiled = compile(lambda x: x * 2 + 1)
    for offset in phases(0, 1, 3, 0):
        yield compiled(data(64)[offset : offset + 32])


@program
def conjugate_and_negative_bits(compile):
    compiled = compile(lambda x: (x + 1, x.real, x.imag, x * x))
    x = torch.complex(data(6), data(6) + 1)
    for variant in phases(x, x.conj(), x.conj().clone(), x):
        yield compiled(variant)


@program
def negative_view_argument(compile):
    compiled = compile(lambda x: x * 2 + 1)
    x = torch.complex(data(6), data(6) + 1)
    for variant in phases(x.imag, x.conj().imag, x.imag):
        yield compiled(variant)


@program
def number_changes(compile):
    compiled = compile(lambda x, scale: x * scale + 1)
    for scale in phases(1.0, 2.0, 2, True, -0.0, float("nan"), 1.0):
        yield compiled(data(4, 8), scale)


@program
def number_changes_every_call(compile):
    compiled = compile(lambda x, rate: x - rate * x.sign())
    for step in range(24):
        yield compiled(data(4, 8), 1.0 / (step + 1))


@program
def text_changes(compile):
    compiled = compile(lambda x, mode: x.relu() if mode == "relu" else getattr(x, mode)())
    for mode in phases("relu", "tanh", "neg", "relu"):
        yield compiled(data(4, 8), mode)


@program
def none_changes(compile):
    compiled = compile(lambda x, mask=None: x if mask is None else x.masked_fill(mask, -1.0))
    mask = data(4, 8) > 0
    for value in phases(None, mask, None):
        yield compiled(data(4, 8), value)


@program
def mask_given_or_not(compile):
    compiled = compile(lambda q, mask=None: nn.functional.scaled_dot_product_attention(q, q, q, attn_mask=mask))
    mask = torch.zeros(8, 8).masked_fill(torch.ones(8, 8).triu(1).bool(), float("-inf"))
    for value in phases(None, mask, None):
        yield compiled(data(1, 2, 8, 4), value)


@program
def keyword_order(compile):
    def f(x, **terms):
        for name, value in terms.items():
            x = x * value if name.startswith("m") else x + value
        return x

    compiled = compile(f)
    for terms in phases({"m": 2.0, "a": 1.0}, {"a": 1.0, "m": 2.0}, {"m": 2.0, "a": 1.0}):
        yield compiled(data(4, 8), **terms)


@program
def keyword_names(compile):
    def f(x, **terms):
        return x * 2 if "double" in terms else x + sum(terms.values())

    compiled = compile(f)
    for terms in phases({"double": 1.0}, {"other": 1.0}, {}, {"double": 1.0}):
        yield compiled(data(4, 8), **terms)


@program
def positional_or_keyword(compile):
    def f(x, y, scale=1.0, *rest, bias=0.0, **more):
        out = x * scale - y + bias
        for value in [*rest, *more.values()]:
            out = out * 2 + value
        return out

    compiled = compile(f)
    x, y = data(4, 8), data(4, 8) + 1
    for style in phases(0, 1, 2, 3, 4, 0):
        if style == 0:
            yield compiled(x, y)
        elif style == 1:
            yield compiled(y=x, x=y)
        elif style == 2:
            yield compiled(x, y, 2.0, y)
        elif style == 3:
            yield compiled(x, y, bias=y, extra=x)
        else:
            yield compiled(x, scale=3.0, y=y)


@program
def missing_argument_raises(compile):
    def f(x, y):
        return x + y

    compiled = compile(f)
    for style in phases(0, 1, 2, 0):
        if style == 0:
            yield compiled(data(4), data(4))
        elif style == 1:
            yield type(attempt(compiled, data(4)).error).__name__
        else:
            yield type(attempt(compiled, data(4), data(4), z=1).error).__name__


@program
def nested_containers(compile):
    def f(tree):
        out = tree["x"] * tree["options"]["scale"]
        for item in tree["more"]:
            out = out * 2 + item
        return {"out": out, "pair": (out, [tree["x"] + 1])}

    compiled = compile(f)
    x = data(4, 8)
    for scale, count in phases((1.0, 1), (1.0, 2), (2.0, 2), (1.0, 1)):
        yield compiled({"x": x, "options": {"scale": scale}, "more": [x + i for i in range(count)]})


@program
def list_or_tuple(compile):
    compiled = compile(lambda items: items[0] + 1 if isinstance(items, list) else items[0] - 1)
    for kind in phases(list, tuple, list):
        yield compiled(kind([data(4, 8)]))


@program
def list_argument_appended_to(compile):
    def f(x, results):
        results.append(x * 2)
        return len(results)

    compiled = compile(f)
    results = []
    for _ in phases(0, 1):
        yield compiled(data(4, 8), results), list(results)


@program
def dict_argument_written(compile):
    def f(x, results):
        results["double"] = x * 2
        return x + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        results = {"kept": 1}
        yield compiled(data(4, 8), results), results


@program
def dict_argument_order(compile):
    def f(parts):
        out = 0
        for part in parts.values():
            out = out * 2 + part
        return out

    compiled = compile(f)
    x, y = data(4, 8), data(4, 8) + 1
    for swapped in phases(False, True, False):
        yield compiled({"y": y, "x": x} if swapped else {"x": x, "y": y})


@program
def named_tuple_argument(compile):
    Batch = collections.namedtuple("Batch", "x mask")
    compiled = compile(lambda batch: batch.x if batch.mask is None else batch.x * batch.mask)
    for mask in phases(None, data(4, 8), None):
        yield compiled(Batch(data(4, 8), mask))


@program
def dataclass_argument(compile):
    @dataclasses.dataclass
    class Batch:
        x: torch.Tensor
        scale: float

    compiled = compile(lambda batch: batch.x * batch.scale)
    for scale in phases(1.0, 2.0, 1.0):
        yield compiled(Batch(data(4, 8), scale))


@program
def object_argument_mutated(compile):
    class Context:
        def __init__(self):
            self.scale = 1.0

    context = Context()
    compiled = compile(lambda x, context: x * context.scale)
    for scale in phases(1.0, 2.0, 1.0):
        context.scale = scale
        yield compiled(data(4, 8), context)


@program
def function_argument(compile):
    compiled = compile(lambda x, stage: stage(x) + 1)
    for stage in phases(torch.relu, torch.tanh, lambda x: x * 3, torch.relu):
        yield compiled(data(4, 8), stage)


@program
def module_argument(compile):
    torch.manual_seed(0)
    layers = [nn.Linear(8, 8), nn.Linear(8, 8), nn.LayerNorm(8)]
    compiled = compile(lambda x, layer: layer(x) + 1)
    for layer in phases(*layers, layers[0]):
        yield compiled(data(4, 8), layer)


@program
def dtype_and_device_arguments(compile):
    compiled = compile(lambda x, dtype, device: x.to(device=device, dtype=dtype) * 3)
    for dtype in phases(torch.float32, torch.float64, torch.int32, torch.float32):
        yield compiled(data(4, 8), dtype, torch.device("cpu"))


@program
def slice_and_range_arguments(compile):
    compiled = compile(lambda x, part, steps: sum((x[part] * step for step in steps), x[part]))
    for part, steps in phases((slice(0, 2), range(2)), (slice(1, 4), range(2)), (slice(1, 4), range(3))):
        yield compiled(data(4, 8), part, steps)


@program
def integer_index(compile):
    compiled = compile(lambda x, index: (x[index] * 2, x[:, index]))
    for index in phases(0, 1, -1, 0):
        yield compiled(data(4, 8), index)


@program
def numpy_arguments(compile):
    compiled = compile(lambda x, array: x * torch.from_numpy(array) + float(array[0]))
    for value in phases(1.0, 2.0, 1.0):
        yield compiled(data(4, 8), numpy.full(8, value, dtype=numpy.float32))


@program
def numpy_scalar_argument(compile):
    compiled = compile(lambda x, scale: x * scale)
    for scale in phases(numpy.float32(1), numpy.float64(2), numpy.int64(3), 1.0):
        yield compiled(data(4, 8), scale)


@program
def sparse_argument(compile):
    compiled = compile(lambda x, y: x @ y)
    for sparse in phases(False, True, False):
        x = data(4, 8).relu()
        yield compiled(x.to_sparse() if sparse else x, data(8, 4))


@program
def quantised_argument(compile):
    compiled = compile(lambda x: x + 1 if not x.is_quantized else x.dequantize() + 1)
    for quantised in phases(False, True, False):
        x = data(4, 8)
        yield compiled(torch.quantize_per_tensor(x, 0.25, 0, torch.qint8) if quantised else x)


@program
def meta_argument(compile):
    compiled = compile(lambda x: (x * 2 + 1).sum(0))
    for device in phases("cpu", "meta", "cpu"):
        out = compiled(data(4, 8).to(device))
        yield tuple(out.shape), out.device, out if device == "cpu" else None


@program
def no_tensor_argument(compile):
    compiled = compile(lambda size: torch.ones(size) * 2 + torch.arange(size))
    for size in phases(4, 5, 4):
        yield compiled(size)


@program
def parameter_argument(compile):
    compiled = compile(lambda x, weight: (x * weight, isinstance(weight, nn.Parameter)))
    for wrapped in phases(False, True, False):
        weight = data(8)
        yield compiled(data(4, 8), nn.Parameter(weight) if wrapped else weight)
