"""PyTorch's global and thread state: every switch that can change what a call computes changes the packed state."""

import contextlib

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from braze import _C


@contextlib.contextmanager
def setting(set_value, value, before):
    # PyTorch's own test helpers, which other suites import, freeze the back ends' flags for the whole process.
    with torch.backends.__allow_nonbracketed_mutation():
        set_value(value)
    try:
        yield
    finally:
        with torch.backends.__allow_nonbracketed_mutation():
            set_value(before)


def attribute(owner, name, value):
    return setting(lambda v: setattr(owner, name, v), value, getattr(owner, name))


class Function(TorchFunctionMode):
    pass


class Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


CHANGES = {
    "no_grad": lambda: torch.no_grad(),
    "inference": lambda: torch.inference_mode(),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast dtype": lambda: setting(
        lambda v: torch.set_autocast_dtype("cpu", v), torch.float16, torch.get_autocast_dtype("cpu")
    ),
    "autocast cuda": lambda: setting(lambda v: torch.set_autocast_enabled("cuda", v), True, False),
    "autocast cache": lambda: setting(torch.set_autocast_cache_enabled, False, True),
    "deterministic": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "deterministic fill": lambda: attribute(torch.utils.deterministic, "fill_uninitialized_memory", False),
    "threads": lambda: setting(torch.set_num_threads, torch.get_num_threads() + 1, torch.get_num_threads()),
    "default dtype": lambda: setting(torch.set_default_dtype, torch.float64, torch.float32),
    "default device": lambda: setting(torch.set_default_device, "meta", None),
    "denormals": lambda: setting(torch.set_flush_denormal, True, False),
    "matmul precision": lambda: setting(torch.set_float32_matmul_precision, "medium", "highest"),
    "cudnn": lambda: attribute(torch.backends.cudnn, "enabled", False),
    "cudnn benchmark": lambda: attribute(torch.backends.cudnn, "benchmark", True),
    "cudnn deterministic": lambda: attribute(torch.backends.cudnn, "deterministic", True),
    "cudnn tf32": lambda: attribute(torch.backends.cudnn.conv, "fp32_precision", "ieee"),
    "mkldnn": lambda: attribute(torch.backends.mkldnn, "enabled", False),
    "mkldnn precision": lambda: attribute(torch.backends.mkldnn.matmul, "fp32_precision", "bf16"),
    "fp16 reduction": lambda: attribute(torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction", False),
    "flash": lambda: setting(torch.backends.cuda.enable_flash_sdp, False, True),
    "math sdp": lambda: setting(torch.backends.cuda.enable_math_sdp, False, True),
    "function mode": Function,
    "dispatch mode": Dispatch,
    "torch function off": lambda: torch._C.DisableTorchFunctionSubclass(),
}

# PyTorch's setters of these leave "set to the default" where "never set" was.
NOT_RESTORED = {"matmul precision", "cudnn tf32", "mkldnn precision"}


@pytest.mark.parametrize("name", CHANGES)
def test_change_is_seen(name):
    before = _C.TorchState.current()
    with CHANGES[name]():
        inside = _C.TorchState.current()
        assert inside != before
        assert inside.difference(before)
    after = _C.TorchState.current()
    assert after == before or name in NOT_RESTORED, after.difference(before)


def test_interceptions():
    assert not _C.TorchState.current().is_intercepted
    for make in (Function, Dispatch, torch._C.DisableTorchFunctionSubclass):
        with make():
            assert _C.TorchState.current().is_intercepted
    inside = []
    torch.vmap(lambda x: (inside.append(_C.TorchState.current().is_intercepted), x)[1])(torch.ones(2))
    torch.func.grad(lambda x: (inside.append(_C.TorchState.current().is_intercepted), x)[1])(torch.ones(()))
    torch.jit.trace(
        lambda x: (inside.append(_C.TorchState.current().is_intercepted), x + 1)[1], torch.ones(2), check_trace=False
    )
    assert inside == [True, True, True]
