"""Calls with results of every form: containers, objects, None, numbers, inputs themselves, constants."""

import collections
import dataclasses
import types

import torch
from torch import nn

from . import data, phases, program


@program
def nested_containers(compile):
    compiled = compile(lambda x: {"a": [x + 1, (x * 2, None)], "b": {"c": x.sum()}, 3: "text"})
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))


@program
def fresh_container_each_call(compile):
    compiled = compile(lambda x: [x + 1])
    kept = []
    for _ in phases(0, 1):
        out = compiled(data(4, 8))
        out.append("mine")
        kept.append(out)
        yield list(kept)


@program
def earlier_results_stay(compile):
    compiled = compile(lambda x: (x * 2 + 1).relu())
    kept = []
    for factor in phases(1.0, 2.0, 3.0):
        kept.append(compiled(data(4, 8) * factor))
        yield list(kept)


@program
def earlier_results_written(compile):
    compiled = compile(lambda x: (x * 2 + 1).relu())
    last = None
    for _ in phases(0, 1):
        out = compiled(data(4, 8))
        if last is not None:
            last.fill_(-7.0)
        last = out
        yield out


@program
def same_container_held_outside(compile):
    out = [None]

    def f(x):
        out[0] = x * 2
        return out

    compiled = compile(f)
    for factor in phases(1.0, 2.0):
        yield compiled(data(4, 8) * factor), out


@program
def named_tuple(compile):
    Result = collections.namedtuple("Result", "loss logits")
    compiled = compile(lambda x: Result(x.mean(), x * 2))
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))


@program
def torch_return_type(compile):
    compiled = compile(lambda x: (x.max(0), torch.sort(x, 1), x.topk(2)))
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))


@program
def dataclass_result(compile):
    @dataclasses.dataclass
    class Result:
        logits: torch.Tensor
        hidden: list
        name: str = "r"

    compiled = compile(lambda x: Result(x * 2, [x + 1, None]))
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))


@program
def model_output(compile):
    from transformers.modeling_outputs import BaseModelOutput

    compiled = compile(lambda x: BaseModelOutput(last_hidden_state=x * 2, hidden_states=(x, x + 1)))
    for rows in phases(4, 5):
        out = compiled(data(rows, 8))
        yield out, out.last_hidden_state, out.attentions


@program
def plain_object_result(compile):
    compiled = compile(lambda x: types.SimpleNamespace(a=x + 1, b=[x * 2]))
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))


@program
def ordered_dict_result(compile):
    compiled = compile(lambda x: collections.OrderedDict(b=x + 1, a=x * 2))
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))


@program
def default_dict_result(compile):
    def f(x):
        out = collections.defaultdict(list)
        out["a"].append(x + 1)
        return out

    compiled = compile(f)
    for rows in phases(4, 5):
        out = compiled(data(rows, 8))
        yield out, out.default_factory is list


@program
def nothing(compile):
    seen = []

    def f(x):
        x * 2

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), seen


@program
def number_from_shape(compile):
    compiled = compile(lambda x: (x.shape[0] * 2, x.shape, x + 1, x.dtype, x.device))
    for rows in phases(4, 5, 4):
        yield compiled(data(rows, 8))


@program
def input_itself(compile):
    compiled = compile(lambda x, y: (x, x + 1, y, x))
    for _ in phases(0, 1):
        x, y = data(4, 8), data(3)
        out = compiled(x, y)
        yield out, x, y


@program
def input_or_not(compile):
    compiled = compile(lambda x, dtype: x.to(dtype))
    for dtype in phases(torch.float32, torch.float64, torch.float32):
        x = data(4, 8)
        yield compiled(x, dtype), x


@program
def contiguous_is_input_or_copy(compile):
    compiled = compile(lambda x: x.contiguous())
    for transposed in phases(False, True, False):
        x = data(4, 8).t() if transposed else data(8, 4)
        yield compiled(x), x


@program
def reshape_is_view_or_copy(compile):
    compiled = compile(lambda x: x.reshape(-1))
    for transposed in phases(False, True, False):
        x = data(4, 8).t() if transposed else data(8, 4)
        yield compiled(x), x


@program
def views_of_input(compile):
    compiled = compile(lambda x: (x[1:], x.t(), x.view(-1)[::2], x[0, 0], x.unsqueeze(1).expand(4, 3, 8)))
    for _ in phases(0, 1):
        x = data(4, 8)
        out = compiled(x)
        out[0].add_(1)
        yield out, x


@program
def views_of_one_result(compile):
    def f(x):
        y = x * 2
        return y[:2], y[1:], y.t(), y

    compiled = compile(f)
    for _ in phases(0, 1):
        out = compiled(data(4, 8))
        out[0].fill_(3)
        yield out


@program
def chunks_of_one_result(compile):
    compiled = compile(lambda x: (x * 2).chunk(3, -1) + (x + 1).split([3, 5], -1) + tuple((x - 1).unbind(0)))
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def same_result_twice(compile):
    def f(x):
        y = x * 2
        return y, y, [y]

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def equal_results_are_distinct(compile):
    compiled = compile(lambda x: (x * 2, x * 2, torch.zeros(3), torch.zeros(3)))
    for _ in phases(0, 1):
        out = compiled(data(4, 8))
        out[0].fill_(1.0)
        out[2].fill_(1.0)
        yield out


@program
def parameter_returned(compile):
    net = nn.Linear(8, 8)
    compiled = compile(lambda x: (net.weight, net(x), net.bias[2:]))
    for factor in phases(1.0, 0.5):
        net.weight.mul_(factor)
        out = compiled(data(4, 8))
        yield out[0] is net.weight, out


@program
def constant_tensor(compile):
    compiled = compile(lambda x: (x + torch.tensor([1.0, 2.0]), torch.tensor([3, 4]), torch.tensor(5.0)))
    for _ in phases(0, 1):
        out = compiled(data(4, 2))
        out[1].fill_(9)
        out[2].zero_()
        yield out


@program
def constant_from_state(compile):
    values = [1.0, 2.0]
    compiled = compile(lambda x: x + torch.tensor(values))
    for second in phases(2.0, 5.0, 2.0):
        values[1] = second
        yield compiled(data(4, 2))


@program
def expanded_result(compile):
    compiled = compile(lambda x: ((x.sum(0) * 2).expand(4, 8), x.mean().expand_as(x)))
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def layout_of_intermediate_views(compile):
    compiled = compile(lambda x: ((x * 2).t(), (x + 1).permute(1, 0)[1:], (x - 1).t() * 2, (x.t() + 1).view(8, 2, 2)))
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def closure_result(compile):
    compiled = compile(lambda x: lambda y: y * x.shape[0])
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))(data(3))


@program
def generator_result(compile):
    def f(x):
        for step in range(3):
            yield x * step

    compiled = compile(f)
    for rows in phases(4, 5):
        yield list(compiled(data(rows, 8)))


@program
def set_and_size_results(compile):
    compiled = compile(lambda x: ({1, 2}, x.size(), slice(1, 2).stop, x + 1))
    for rows in phases(4, 5):
        yield compiled(data(rows, 8))


@program
def complex_result(compile):
    compiled = compile(
        lambda x: (torch.fft.rfft(x), torch.complex(x, x).conj(), torch.view_as_real(torch.complex(x, x)))
    )
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def integer_and_boolean_results(compile):
    compiled = compile(lambda x: (x > 0, x.argmax(1), (x * 4).to(torch.int32) // 3, x.long() % 3, ~(x < 0), x.any()))
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def model_with_cache_list(compile):
    def step(x, cache):
        keys = torch.cat([cache[0], x], 1) if cache else x
        return (x @ keys.transpose(1, 2)).softmax(-1) @ keys, [keys]

    compiled = compile(step)
    cache = None
    for position in range(10):
        out, cache = compiled(data(1, 1, 8) + position, cache)
        yield out, cache
