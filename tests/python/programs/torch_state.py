"""Calls under changing PyTorch state: modes, autocast, defaults, generators, threads, subclasses, transforms."""

import contextlib
import types

import torch
from eager_equality import attempt
from torch import nn

from . import data, phases, program


def linear():
    torch.manual_seed(1)
    return nn.Linear(8, 8)


def switched(switch, compiled, *settings, shape=(4, 8)):
    """What is compiled answers under each setting in turn; the first is as it was."""
    try:
        for setting in phases(*settings):
            switch(setting)
            yield compiled(data(*shape))
    finally:
        switch(settings[0])


@program
def default_dtype(compile):
    compiled = compile(lambda x: x + torch.ones(8) * torch.tensor(0.1) + torch.arange(8) / 3)
    yield from switched(torch.set_default_dtype, compiled, torch.float32, torch.float64, torch.float32)


@program
def default_device(compile):
    compiled = compile(lambda x: (x, torch.ones(8)))
    for device in phases(None, "meta", None):
        x = data(4, 8)
        with torch.device(device) if device else contextlib.nullcontext():
            out, made = compiled(x)
        yield out, made.device


@program
def autocast_around(compile):
    net = compile(linear())
    for dtype in phases(None, torch.bfloat16, torch.float16, None):
        with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            yield net(data(4, 8))


@program
def autocast_inside(compile):
    net = linear()
    enabled = True

    def f(x):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            return net(x) + 1

    compiled = compile(f)
    for enabled in phases(True, False, True):  # noqa: B007 - the closure reads it
        yield compiled(data(4, 8))


@program
def autocast_weight_written_between(compile):
    net = compile(linear())
    for factor in phases(1.0, 0.9):
        net.weight.mul_(factor)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            yield net(data(4, 8))


@program
def autocast_weight_written_without_cache(compile):
    net = compile(linear())
    with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
        for factor in phases(1.0, 0.9):
            net.weight.mul_(factor)
            yield net(data(4, 8))


@program
def autocast_cast_cache_shared_with_outside(compile):
    net = linear()
    compiled = compile(net)
    for factor in phases(1.0, 2.0):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            before = net.forward(data(4, 8) * factor)
            yield before, compiled(data(4, 8) * factor)


@program(grad=True)
def grad_mode_around(compile):
    net = compile(linear())
    for wanted in phases(False, True, False):
        with torch.set_grad_enabled(wanted):
            yield net(data(4, 8))


@program(grad=True)
def grad_mode_inside(compile):
    net = linear()
    wanted = False

    def f(x):
        with torch.set_grad_enabled(wanted):
            y = net(x)
        return y * 2

    compiled = compile(f)
    for wanted in phases(False, True, False):  # noqa: B007 - the closure reads it
        yield compiled(data(4, 8))


@program
def grad_mode_read(compile):
    compiled = compile(lambda x: x + 1 if torch.is_grad_enabled() else x - 1)
    for wanted in phases(False, True, False):
        with torch.set_grad_enabled(wanted):
            yield compiled(data(4, 8))


@program(refusable="leaves grad mode changed")
def grad_mode_left_changed(compile):
    def f(x):
        torch.set_grad_enabled(not torch.is_grad_enabled())
        return x + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), torch.is_grad_enabled()


@program
def inference_mode_around(compile):
    net = compile(linear())
    for wanted in phases(False, True, False):
        with torch.inference_mode(wanted):
            yield net(data(4, 8))


@program
def inference_mode_inside(compile):
    @torch.inference_mode()
    def f(x):
        return x * 2 + 1

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def inference_tensor_argument(compile):
    compiled = compile(lambda x: (x * 2 + 1, x[1:]))
    for inference in phases(False, True, False):
        with torch.inference_mode(inference):
            x = data(4, 8) * 1
        yield compiled(x)


@program
def number_of_threads(compile):
    compiled = compile(lambda x: x.sum() * torch.get_num_threads() + x.exp())
    before = torch.get_num_threads()
    try:
        for threads in phases(1, 2, 1):
            torch.set_num_threads(threads)
            yield compiled(data(64, 64))
    finally:
        torch.set_num_threads(before)


@program
def deterministic_mode(compile):
    compiled = compile(
        lambda x: (
            x.index_add(0, torch.tensor([0, 1, 0]), x[:3]) if torch.are_deterministic_algorithms_enabled() else x * 3
        )
    )
    yield from switched(torch.use_deterministic_algorithms, compiled, False, True, False)


@program
def uninitialised_memory_filled(compile):
    compiled = compile(lambda x: torch.empty(4, 8).fill_(2.0) + x)
    yield from switched(torch.use_deterministic_algorithms, compiled, False, True, False)


@program
def matmul_precision(compile):
    compiled = compile(lambda x: x @ x.T if torch.get_float32_matmul_precision() == "highest" else x * 2)
    yield from switched(torch.set_float32_matmul_precision, compiled, "highest", "medium", "highest")


@program
def random_numbers(compile):
    compiled = compile(lambda x: x + torch.rand(8) + torch.randn_like(x))
    for seed in phases(1, 2):
        torch.manual_seed(seed)
        yield compiled(data(4, 8)), torch.rand(1)


@program
def random_stream_continues(compile):
    compiled = compile(lambda x: x + torch.rand(8))
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), torch.rand(1)


@program
def seed_set_inside(compile):
    def f(x):
        torch.manual_seed(5)
        return x + torch.rand(8)

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), torch.rand(1)


@program
def generator_argument(compile):
    compiled = compile(lambda x, generator: x + torch.rand(8, generator=generator))
    generator = torch.Generator().manual_seed(3)
    for seed in phases(1, 2):
        if seed == 2:
            generator.manual_seed(7)
        yield compiled(data(4, 8), generator), generator.get_state().sum()


@program
def generator_in_closure(compile):
    generator = torch.Generator().manual_seed(3)
    compiled = compile(lambda x: x + torch.randn(8, generator=generator))
    for _ in phases(0, 1):
        yield compiled(data(4, 8))


@program
def random_state_forked(compile):
    def f(x):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            noise = torch.rand(8)
        return x + noise

    compiled = compile(f)
    for _ in phases(0, 1):
        yield compiled(data(4, 8)), torch.rand(1)


@program
def dropout_functional(compile):
    probability = 0.3
    compiled = compile(lambda x: nn.functional.dropout(x, probability, training=True) + 1)
    for probability in phases(0.3, 0.8):  # noqa: B007 - the closure reads it
        yield compiled(data(4, 8))


@program
def tensor_subclass_argument(compile):
    class Tagged(torch.Tensor):
        log = []

        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            cls.log.append(getattr(function, "__name__", ""))
            return super().__torch_function__(function, types, args, kwargs or {})

    compiled = compile(lambda x: x * 2 + 1)
    for tagged in phases(False, True, False):
        x = data(4, 8)
        yield compiled(x.as_subclass(Tagged) if tagged else x), len(Tagged.log)


@program
def plain_subclass_returned(compile):
    class Named(torch.Tensor):
        pass

    compiled = compile(lambda x: x * 2)
    for named in phases(False, True, False):
        yield compiled(data(4, 8).as_subclass(Named) if named else data(4, 8))


@program
def function_mode_around(compile):
    from torch.overrides import TorchFunctionMode

    class Double(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            return out * 2 if function is torch.relu else out

    compiled = compile(lambda x: torch.relu(x) + 1)
    for wanted in phases(False, True, False):
        with Double() if wanted else contextlib.nullcontext():
            yield compiled(data(4, 8))


@program
def dispatch_mode_around(compile):
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            Count.calls += 1
            return function(*args, **(kwargs or {}))

    compiled = compile(lambda x: x.relu() + 1)
    for wanted in phases(False, True, False):
        with Count() if wanted else contextlib.nullcontext():
            out = compiled(data(4, 8))
        yield out, Count.calls


@program
def vmap_over(compile):
    compiled = compile(lambda x: (x * 2).sum(0))
    for mapped in phases(False, True, False):
        yield (torch.vmap(compiled) if mapped else compiled)(data(4, 8))


@program
def vmap_inside(compile):
    factor = 2.0
    compiled = compile(lambda x: torch.vmap(lambda row: row * factor + row.sum())(x))
    for factor in phases(2.0, 3.0):  # noqa: B007 - the closure reads it
        yield compiled(data(4, 8))


@program(grad=True)
def grad_transform_over(compile):
    compiled = compile(lambda x: (x**2).sum())
    for _ in phases(0, 1):
        yield torch.func.grad(compiled)(data(4, 8)), compiled(data(4, 8))


@program(grad=True)
def jvp_over(compile):
    compiled = compile(lambda x: torch.sin(x) * 2)
    for scale in phases(1.0, 2.0):
        yield torch.func.jvp(compiled, (data(8),), (torch.ones(8) * scale,))


@program(grad=True)
def gradient_inside(compile):
    def f(x):
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad((leaf**3).sum(), leaf)
        return gradient + x

    compiled = compile(f)
    for scale in phases(1.0, 2.0):
        yield compiled(data(4, 8) * scale)


@program(grad=True)
def argument_starts_to_require_grad(compile):
    compiled = compile(lambda x: (x * 2).relu())
    for wanted in phases(False, True, False):
        x = data(4, 8).requires_grad_(wanted)
        out = compiled(x)
        if wanted:
            out.sum().backward()
        yield out, x.grad


@program
def anomaly_mode_around(compile):
    compiled = compile(lambda x: x.relu() + 1)
    for wanted in phases(False, True, False):
        with torch.autograd.set_detect_anomaly(wanted):
            yield compiled(data(4, 8))


@program
def attention_backend_chosen(compile):
    from torch.nn.attention import SDPBackend, sdpa_kernel

    compiled = compile(lambda q: nn.functional.scaled_dot_product_attention(q, q, q))
    for backend in phases(SDPBackend.MATH, SDPBackend.FLASH_ATTENTION, SDPBackend.MATH):
        with sdpa_kernel(backend):
            yield attempt(compiled, data(1, 2, 16, 8))


@program
def print_options_read(compile):
    compiled = compile(lambda x: x * torch._tensor_str.PRINT_OPTS.precision)
    try:
        for precision in phases(4, 2, 4):
            torch.set_printoptions(precision=precision)
            yield compiled(data(4, 8))
    finally:
        torch.set_printoptions(precision=4)


@program
def legacy_fast_path_switch(compile):
    torch.manual_seed(1)
    layer = compile(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval())
    yield from switched(torch.backends.mha.set_fastpath_enabled, layer, True, False, True, shape=(2, 4, 8))


def scaled(x, holder):
    return x * holder.scale


@program
def switch_of_pytorch_asked(compile):
    """What only the way taken under the switch reads changes, too."""
    holder = types.SimpleNamespace(scale=2.0)

    def f(x):
        return scaled(x, holder) if torch.is_anomaly_enabled() else x + 1

    compiled = compile(f)
    for wanted, scale in phases((False, 2.0), (True, 2.0), (True, 3.0), (False, 3.0)):
        holder.scale = scale
        with torch.autograd.set_detect_anomaly(wanted):
            yield compiled(data(4, 8))


@program
def warnings_always_asked(compile):
    compiled = compile(lambda x: x + 1 if torch.is_warn_always_enabled() else x - 1)
    yield from switched(torch.set_warn_always, compiled, False, True, False)


@program
def parameter_gets_a_tangent(compile):
    from torch.autograd import forward_ad

    net = linear()
    compiled = compile(net)
    for inside in phases(False, True, False):
        if not inside:
            yield compiled(data(4, 8)), None
            continue
        with forward_ad.dual_level():
            net.weight.copy_(forward_ad.make_dual(net.weight.clone(), torch.ones(8, 8)))
            yield tuple(forward_ad.unpack_dual(compiled(data(4, 8))))


@program
def process_group_asked(compile):
    """What PyTorch's own code keeps in an object; setting it stands for init_process_group, which needs a network."""
    from torch import distributed

    world = distributed.distributed_c10d._world
    compiled = compile(lambda x: x + 1 if distributed.is_initialized() else x - 1)
    try:
        for wanted in phases(False, True, False):
            world.default_pg = object() if wanted else None
            yield compiled(data(4, 8))
    finally:
        world.default_pg = None
