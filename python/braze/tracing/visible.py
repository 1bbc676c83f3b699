"""Which objects show all their state: what lies in an instance dict, in slots, or in a base type we can list; and what
classes and caches say of themselves to one who runs no code of theirs.
"""

import collections
import functools
import gc
import types
import weakref

import torch

from braze.tracing import trusted

_HEAP_TYPE = 1 << 9
_get_class_dict = type.__dict__["__dict__"].__get__

# Base types whose content the snapshot lists or that never change.
_BASES = {
    object: "object",
    dict: "dict",
    collections.OrderedDict: "dict",
    collections.defaultdict: "dict",
    list: "list",
    set: "set",
    frozenset: "set",
    tuple: "tuple",
    int: "object",
    float: "object",
    complex: "object",
    str: "object",
    bytes: "object",
    types.SimpleNamespace: "object",
    property: "property",
    staticmethod: "static",
    classmethod: "static",
    type: "object",
}
_REFUSED_BASES = (torch.jit.ScriptModule, torch._C.ScriptModule)


def once_a_class(function):
    """As functools.cache, for a function of a class that must be free to die."""
    known = weakref.WeakKeyDictionary()

    @functools.wraps(function)
    def answer(cls):
        if cls not in known:
            known[cls] = function(cls)
        return known[cls]

    return answer


@once_a_class
def instance_kind(cls):
    """ "object", "dict", "list", "set", "tuple", "property" or "static" when an instance dict, slots and the items
    or functions are all the
    state there is; "stateless" when identity is
    all that matters or another eye sees the state; "hidden" when there may be state we cannot see.
    """
    full = f"{cls.__module__}.{cls.__qualname__}"
    if full in trusted.STATELESS_TYPES:
        return "stateless"
    if cls.__module__ in trusted.REFUSED_TYPE_MODULES or issubclass(cls, _REFUSED_BASES):
        return "hidden"
    base = cls
    while base not in _BASES:
        if not is_python_class(base):
            return "stateless" if is_own_state_of_torch(base) else "hidden"
        base = base.__base__
    return _BASES[base]


def is_own_state_of_torch(cls):
    """C types of PyTorch: devices, streams, generators, operators, scripted functions. Their effects pass through the
    dispatcher or are compared after the call.
    NumPy's scalars do not change.
    """
    top = cls.__module__.partition(".")[0]
    return (
        top in ("torch", "pybind11_builtins")
        or cls.__module__ == "numpy.dtypes"
        or (top == "numpy" and issubclass(cls, _numpy_generic()))
    )


def _numpy_generic():
    import numpy

    return numpy.generic


def is_python_class(cls):
    """Made by a class statement: nothing in an instance but the base's part, slots, a dict and weak references."""
    if not cls.__flags__ & _HEAP_TYPE:
        return False
    own = _get_class_dict(cls)
    slots = sum(type(value) is types.MemberDescriptorType for value in own.values())
    fields = slots + ("__dict__" in own) + ("__weakref__" in own)
    return cls.__basicsize__ - cls.__base__.__basicsize__ <= 8 * fields and type(own.get("__module__")) is str


@once_a_class
def slots_of(cls):
    """(name, member descriptor) of all slots of the instances."""
    return tuple(
        (name, value)
        for base in cls.__mro__
        if base.__flags__ & _HEAP_TYPE
        for name, value in _get_class_dict(base).items()
        if type(value) is types.MemberDescriptorType
    )


def class_name(cls):
    return type.__dict__["__qualname__"].__get__(cls)


def class_module(cls):
    module = _get_class_dict(cls).get("__module__") if cls.__flags__ & 1 << 9 else cls.__module__
    return module if isinstance(module, str) else ""


def is_special(name):
    return name.startswith("__") and name.endswith("__") and len(name) > 4


def is_code(value):
    return isinstance(value, (types.FunctionType, property, staticmethod, classmethod, functools.partial))


def cache_of(wrapper):
    """The dict of a functools cache."""
    for found in gc.get_referents(wrapper):
        if type(found) is dict and found is not getattr(wrapper, "__dict__", None):
            return found
    return None


def cached_results(wrapper, cache):
    """The results a functools cache holds: in its dict, or for a bounded one in links, which tell only the wrapper."""
    if not any(is_link(value) for value in cache.values()):
        return cache.values()
    return [value for value in gc.get_referents(wrapper) if value is not cache and not is_link(value)]


def is_link(value):
    return type(value).__name__ == "_lru_list_elem"
