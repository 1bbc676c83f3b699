"""How places of the Python state are called where guards and refusals are shown."""

import torch

from braze import _C


def root_name(function):
    return (
        "self"
        if isinstance(function, torch.nn.Module)
        else getattr(function, "__qualname__", type(function).__qualname__)
    )


def path_of_self(method, path):
    name = method.__func__.__name__ if hasattr(method.__func__, "__name__") else ""
    return path.removesuffix(f".{name}") if path.endswith(f".{name}") and path.count(".") > 1 else "self"


def short(key):
    text = repr(key) if _C.is_immutable_value(key) else type(key).__name__
    return text if len(text) <= 40 else text[:37] + "..."
