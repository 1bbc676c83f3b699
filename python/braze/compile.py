"""braze.compile: puts a compiled callable in front of a function, a method, a module or any other callable."""

import functools
import inspect
from typing import Unpack

import torch

from braze import _C
from braze.errors import UserError
from braze.options import CompileOptions, call_options


def compile(target=None, /, **options: Unpack[CompileOptions]):
    """Compiles what `target` does with tensors, call by call; its results stay what eager PyTorch gives.

    A function, method, lambda or callable object gives a compiled callable. A module is compiled in place and returned:
    its hooks, state_dict, pickling and type stay as they are. Without a target, a decorator with these options is
    returned.

    With freeze=True, weights (parameters, buffers and other tensors that the calls only read) may be folded and packed
    in memory of braze's own, where that is faster; the originals stay yours. A weight that was replaced, moved, or
    written by any PyTorch operation is noticed at the next call, which then runs from the start. A write that PyTorch
    does not count (`weight.data.copy_()`, a NumPy view, another library) is found by sampling: by the next call when it
    changed the whole tensor, within 256 calls when it changed only a part. Do not freeze what such writes change in
    part.

    With strict=True, a call that cannot be compiled raises braze.NotCompiledError instead of running eagerly. The first
    calls of a kind are traced: they run, and return what they return. Once they have shown that calls of this kind
    cannot be compiled, each further one raises before anything of it has run. Calls under a function mode or inside
    vmap, calls while another thread compiles the same function, and those of entries that were compiled but are no
    faster than eager, run as ever.

    >>> import braze, torch
    >>> @braze.compile(numerics="fast")
    ... def gate(x):
    ...     return x * torch.sigmoid(x)
    >>> gate(torch.zeros(2))
    tensor([0., 0.])
    >>> layer = braze.compile(torch.nn.Linear(2, 3))
    >>> layer(torch.zeros(1, 2)).shape
    torch.Size([1, 3])
    """
    chosen = call_options(options)
    if target is None:
        return functools.partial(compile_with, chosen)
    return compile_with(chosen, target)


def compile_with(options, target):
    if isinstance(target, (staticmethod, classmethod)):
        return type(target)(compile_with(options, target.__func__))
    if isinstance(target, torch.nn.Module):
        target._compiled_call_impl = compiled_callable(target._call_impl, options, type(target).__name__)
        return target
    if isinstance(target, _C.Callable):
        target = target.__wrapped__
    if inspect.isclass(target):
        raise UserError(
            f"braze.compile: {target.__name__} is a class; compile an instance of it, or decorate its method"
        )
    if not callable(target):
        raise UserError(
            f"braze.compile: {type(target).__name__} object is not callable; "
            "it takes a function, a method, a torch.nn.Module or another callable"
        )
    return compiled_callable(target, options, name_of(target))


def compiled_callable(function, options, name, attributes_matter=True):
    from braze.tracing.session import Session

    result = _C.Callable(function, Session(function, options, name, attributes_matter))
    functools.update_wrapper(result, function)
    return result


def name_of(target):
    if isinstance(target, functools.partial):
        return f"partial({name_of(target.func)})"
    return getattr(target, "__qualname__", type(target).__name__)
