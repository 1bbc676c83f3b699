"""The children of a module that could not be captured whole are tried on their own."""

import torch

from braze import _C


def compile_children(module, options):
    """Puts a compiled callable in front of each child that is called as a module; into containers it goes down. Returns how many.

    A child that somebody compiled before, by braze or by torch.compile, stays as it is.
    """
    from braze.compile import compiled_callable

    count = 0
    for child in module.children():
        if child._compiled_call_impl is not None:
            continue
        if is_container(child):
            count += compile_children(child, options)
            continue
        child._compiled_call_impl = compiled_callable(child._call_impl, options, type(child).__name__)
        count += 1
    return count


def is_container(module):
    """ModuleList, ModuleDict and the like: nobody calls them."""
    return type(module).forward is torch.nn.Module.forward


def module_behind(function):
    """The module whose _call_impl `function` is, or None."""
    owner = getattr(function, "__self__", None)
    return owner if isinstance(owner, torch.nn.Module) and function.__name__ == "_call_impl" else None


def is_tried(module):
    return isinstance(module._compiled_call_impl, _C.Callable)
