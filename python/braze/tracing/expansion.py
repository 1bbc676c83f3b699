"""What each kind of object adds to the reachable state: which places become guards, and what is visited next."""

import collections
import contextvars
import enum
import functools
import gc
import logging
import operator
import os
import sys
import threading
import types
import weakref

import torch

from braze import _C
from braze.tracing import trusted
from braze.tracing.argument_memory import cell_contents, contents_of
from braze.tracing.executed_code import problem_of_c_call
from braze.tracing.fresh_keys import WatchedCache
from braze.tracing.state_paths import path_of_self, short
from braze.tracing.visible import (
    cache_of,
    cached_results,
    class_module,
    class_name,
    instance_kind,
    is_code,
    is_python_class,
    is_special,
    slots_of,
)

MOST_ITEMS = 100_000
_get_mro = type.__dict__["__mro__"].__get__
_get_class_dict = type.__dict__["__dict__"].__get__
_CONTAINER_ATTRIBUTES = ("._modules", "._parameters", "._buffers")
_OF_NO_USE = trusted.words(
    "__dict__ __weakref__ __annotations__ __doc__ __dataclass_fields__ __dataclass_params__ __match_args__"
)
_LOGGER_STATE = ("level", "disabled", "propagate", "parent", "handlers", "filters")


class Expansion:
    """One method for each kind of object. The walk itself, with its `visit` and `refuse`, is Snapshot's."""

    def expand(self, value, path):
        cls = type(value)
        handler = HANDLERS.get(cls)
        if handler is not None:
            return handler(self, value, path)
        if issubclass(cls, torch.Tensor):
            return self.expand_tensor(value, path)
        if issubclass(cls, types.ModuleType):
            return self.expand_module(value, path)
        if issubclass(cls, type):
            return self.expand_class(value, path)
        if issubclass(cls, types.GenericAlias):
            return self.expand_alias(value, path)
        if issubclass(cls, logging.Logger):
            return self.expand_logger(value, path)
        self.expand_instance(value, path)

    def expand_function(self, function, path):
        code = function.__code__
        if trusted.origin(code.co_filename) != "user" and not self.has_user_closure(function):
            return
        self.expand_attributes(function, path)
        if self.may_read(trusted.LABELS):
            self.visit(function.__annotations__, f"{path}.__annotations__")  # made when first asked for
            self.guards.add_labels(function, path)
        if code in self.executed.codes:
            self.found_codes.add(code)
        elif not self.may_read(trusted.FUNCTION_PARTS):
            return
        self.guards.add_function(function, path)
        for name, cell in zip(code.co_freevars, function.__closure__ or ()):
            self.visit(cell, f"{path}.<{name}>")
        self.visit_items(function.__defaults__ or (), f"{path}.__defaults__")
        if function.__kwdefaults__ is not None:
            self.visit(function.__kwdefaults__, f"{path}.__kwdefaults__")

    def has_user_closure(self, function):
        """A wrapper of the standard library or PyTorch around something, as functools.wraps and torch.no_grad make."""
        return function.__closure__ is not None and function.__code__ in self.executed.codes

    def expand_method(self, method, path):
        self.visit(method.__self__, path_of_self(method, path))
        self.visit(method.__func__, path)

    def expand_builtin(self, function, path):
        owner = getattr(function, "__self__", None)
        if function.__name__ in trusted.ACCESS_BY_NAME:
            self.met_access = True
        if (
            self.calls_back
            and type(function) is types.BuiltinFunctionType
            and self.is_within_reach(function)
            and (problem := problem_of_c_call(function, "stdlib"))
        ):
            return self.refuse("impure_call", f"{problem}, which C code could call")
        if owner is not None and not isinstance(owner, (types.ModuleType, type)):
            self.visit(owner, f"{path}.__self__")

    def is_within_reach(self, function):
        """Whether one piece of executed code names the function where it is: `os.replace` takes both names, a str's `replace` one."""
        name = function.__name__
        for code, namespace in self.executed.codes.items():
            if name not in code.co_names:
                continue
            if namespace.get(name) is function:
                return True
            for other in code.co_names:
                module = namespace.get(other)
                if isinstance(module, types.ModuleType) and vars(module).get(name) is function:
                    return True
        return False

    def expand_partial(self, partial, path):
        self.guards.add_type(partial, path)
        for name in ("func", "args", "keywords"):
            self.guards.add_member(partial, _get_class_dict(functools.partial)[name], f"{path}.{name}")
            self.visit(getattr(partial, name), f"{path}.{name}")
        self.expand_attributes(partial, path)

    def expand_cached_function(self, wrapper, path):
        """A functools.cache: while nothing enters or leaves it, a hit returns what it returned before, as in eager."""
        function = getattr(wrapper, "__wrapped__", None)
        self.visit(function, f"{path}.__wrapped__")
        code = getattr(function, "__code__", None)
        if code is not None and trusted.origin(code.co_filename) != "user":
            return
        cache = cache_of(wrapper)
        if cache is None:
            return
        self.caches.append(WatchedCache(wrapper, path))
        if wrapper in self.fresh_keyed:
            return
        self.guards.add_frozen(cache, f"the cache of {path}")
        for cached in cached_results(wrapper, cache):
            self.visit(cached, f"{path}(...)")

    def expand_compiled(self, compiled, path):
        """A compiled callable inside the call runs its function."""
        self.visit(compiled.function, path)

    def expand_getter(self, getter, path):
        """operator.attrgetter and methodcaller: names that no code spells out."""
        _, arguments = getter.__reduce__()
        for argument in arguments:
            self.visit(argument, path)
            if isinstance(argument, str):
                self.met_names.update(argument.split("."))

    def expand_static(self, method, path):
        self.expand_fields(
            method, staticmethod if isinstance(method, staticmethod) else classmethod, ("__func__",), path
        )

    def expand_property(self, prop, path):
        self.expand_fields(prop, property, ("fget", "fset", "fdel"), path)

    def expand_fields(self, value, cls, names, path):
        """What a C type keeps in fields: they are written when its __init__ is called once more."""
        for name in names:
            field = _get_class_dict(cls)[name]
            self.guards.add_member(value, field, f"{path}.{name}")
            self.visit(field.__get__(value), path)

    def expand_descriptor(self, descriptor, path):
        """Code that has it reads the attribute of its name, which no code need spell out."""
        self.met_names.add(descriptor.__name__)

    def expand_alias(self, alias, path):
        """list[int], int | str: made of classes, which code can reach."""
        if isinstance(alias, types.GenericAlias):
            self.visit(alias.__origin__, f"{path}.__origin__")
        self.visit_items(alias.__args__, f"{path}.__args__")

    def expand_context_variable(self, variable, path):
        self.guards.add_context_variable(variable, path)
        try:
            value = variable.get()  # its default counts
        except LookupError:
            return
        self.visit(value, path)

    def expand_lock(self, lock, path):
        """Code may ask whether somebody holds it."""
        if self.may_read(trusted.LOCK_NAMES):
            self.guards.add_answer(lock.locked, f"{path}.locked()")

    def expand_cell(self, cell, path):
        contents = cell_contents(cell)
        self.attributes.append((cell, path, contents))
        if id(cell) in self.places:
            return
        self.guards.add_cell(cell, path)
        for content in contents.values():
            self.visit(content, path)

    def expand_list(self, values, path):
        if self.is_too_large(values, path) or self.counts_as_argument(values, path):
            return
        self.guards.add_list(values, path)
        self.visit_items(values, path)

    def expand_tuple(self, values, path):
        if not self.is_too_large(values, path):
            self.visit_items(values, path)

    def expand_set(self, values, path):
        if self.is_too_large(values, path):
            return
        if isinstance(values, set):
            self.guards.add_set(values, path)
        for value in values:
            self.visit(value, f"{path}{{}}")

    def expand_dict(self, values, path):
        if self.is_too_large(values, path) or self.counts_as_argument(values, path):
            return
        self.guards.add_items(values, path)
        base = next((path.removesuffix(ending) for ending in _CONTAINER_ATTRIBUTES if path.endswith(ending)), None)
        for key, value in dict.items(values):
            self.visit(key, f"{path} (a key)")
            self.visit(value, f"{base}.{key}" if base is not None else f"{path}[{short(key)}]")

    def counts_as_argument(self, values, path):
        """Whether the call is known to change this list or dict."""
        if type(values) in (list, dict, collections.OrderedDict):
            self.contents.append((values, path, contents_of(values)))
        return id(values) in self.places

    def expand_default_dict(self, values, path):
        self.guards.add_type(values, path)
        self.guards.add_member(
            values, _get_class_dict(collections.defaultdict)["default_factory"], f"{path}.default_factory"
        )
        self.visit(values.default_factory, f"{path}.default_factory")
        self.expand_dict(values, path)

    def expand_view(self, view, path):
        for referent in gc.get_referents(view):
            if not isinstance(referent, type):
                self.visit(referent, path)

    def expand_weak_reference(self, reference, path):
        target = reference()
        if target is None:
            return self.refuse("unknown_state", f"{path}: a dead weak reference")
        if not isinstance(target, type) and id(target) not in self.seen:
            self.guards.add_weak_root(target)
            self.is_closed = False
        self.visit(target, f"{path}()")

    def expand_tensor(self, tensor, path):
        if type(tensor) in (torch.Tensor, torch.nn.Parameter):
            self.tensors.append((path, tensor))
        self.tensor_paths[id(tensor)] = path
        self.guards.add_tensor(tensor, path)
        self.expand_attributes(tensor, path)

    def expand_generator(self, generator, path):
        """Its state moves with the numbers that are drawn; a replay draws from the same generator."""
        self.generators.append(generator)

    def expand_module(self, module, path):
        self.guards.add_type(module, path)
        namespace = self.guards.add_instance_dict(module, path)
        self.guards.add_named(namespace, path)
        follow = not trusted.is_trusted_module(dict.get(namespace, "__name__"))
        for name in self.user_names & namespace.keys():  # trusted code knows the modules it reads
            value = namespace[name]
            if follow or isinstance(value, types.ModuleType) or value is os.environ or value is sys.modules:
                self.visit(value, f"{path}.{name}")
            elif not isinstance(value, (type, types.FunctionType)):
                self.in_library = True
                self.visit(value, f"{path}.{name}")
                self.in_library = False
        if follow and type(module) is not types.ModuleType:
            self.visit(type(module), type(module).__name__)

    def expand_class(self, cls, path):
        if issubclass(cls, torch.autograd.Function):  # apply() calls these from C
            self.met_names.update(("forward", "setup_context"))
        for base in _get_mro(cls):
            if id(base) in self.seen and base is not cls:
                continue
            self.seen[id(base)] = base
            own = not trusted.is_trusted_module(class_module(base))
            self.guards.add_class(base, class_name(base), own and self.whole)
            if self.matches:
                self.met_names.update(_get_class_dict(base).get("__match_args__", ()))
            if not own:
                continue
            if self.may_read(trusted.LABELS):
                self.guards.add_labels(base, class_name(base))
            if base is cls and not is_python_class(cls):
                return self.refuse("unknown_state", f"{path}: the C type {class_module(cls)}.{class_name(cls)}")
            for name, value in _get_class_dict(base).items():
                if name in _OF_NO_USE and name not in self.names:
                    continue
                if self.whole or name in self.names or (is_special(name) and is_code(value)):
                    self.visit(value, f"{class_name(base)}.{name}")
        if type(cls) is not type and not trusted.is_trusted_module(class_module(type(cls))):
            self.visit(type(cls), type(cls).__name__)

    def expand_logger(self, logger, path):
        """Its level decides whether code logs; a call that logs is refused elsewhere."""
        namespace = self.guards.add_instance_dict(logger, path)
        self.guards.add_listed(namespace, _LOGGER_STATE, path)
        manager = self.guards.add_instance_dict(logging.Logger.manager, "logging.Logger.manager")
        self.guards.add_listed(manager, ("_disable",), "logging.Logger.manager")
        if namespace.get("parent") is not None:
            self.visit(namespace["parent"], f"{path}.parent")

    def expand_instance(self, value, path):
        cls = type(value)
        kind = instance_kind(cls)
        if kind == "stateless" or (kind == "hidden" and self.in_library):
            return
        if kind == "hidden":
            return self.refuse("unknown_state", f"{path}: {cls.__module__}.{cls.__qualname__}")
        self.guards.add_type(value, path)
        self.visit(cls, cls.__qualname__)
        self.expand_attributes(value, path)
        for name, descriptor in slots_of(cls):
            if self.whole or name in self.names:
                self.guards.add_member(value, descriptor, f"{path}.{name}")
                try:
                    content = descriptor.__get__(value)
                except AttributeError:
                    continue
                self.visit(content, f"{path}.{name}")
        if kind != "object":
            CONTENTS[kind](self, value, path)

    def expand_attributes(self, value, path):
        """The instance dict: the names the code uses, or all of it."""
        namespace = self.guards.add_instance_dict(value, path)
        if namespace is None:
            return
        cls = type(value)
        whole = (self.compares_objects and isinstance(value, types.SimpleNamespace)) or (
            self.whole
            and (
                isinstance(value, torch.nn.Module)
                or class_module(cls).partition(".")[0] not in trusted.TRUSTED_PACKAGES
            )
        )
        names = set(namespace) if whole else self.names & namespace.keys()
        if not isinstance(value, types.FunctionType):
            self.attributes.append((value, path, {name: namespace[name] for name in names}))
        if place := self.places.get(id(value)):  # these count as arguments
            if whole:
                return self.refuse(
                    "side_effect", f"{path}.{min(place.names)} is replaced and the code reads every attribute"
                )
            self.guards.add_listed(namespace, tuple(self.names - place.names), path)
            names -= place.names
        elif whole:
            self.guards.add_items(namespace, path)
        else:
            self.guards.add_named(namespace, path)
        if issubclass(cls, torch.nn.Module):
            names = {
                name for name in names if name not in self.recorded_dicts or self.executed.module_reads.has(value, name)
            }
        for name in names:
            self.visit(namespace[name], f"{path}.{name}")

    def visit_items(self, values, path):
        for i, value in enumerate(values):
            self.visit(value, f"{path}[{i}]")

    def is_too_large(self, values, path):
        if len(values) > MOST_ITEMS:
            self.refuse("state_too_large", f"{path} has {len(values)} items")
            return True
        return False


HANDLERS = {
    torch.Generator: Expansion.expand_generator,
    types.FunctionType: Expansion.expand_function,
    types.MethodType: Expansion.expand_method,
    types.BuiltinFunctionType: Expansion.expand_builtin,
    types.MethodWrapperType: Expansion.expand_builtin,
    types.WrapperDescriptorType: Expansion.expand_builtin,
    types.MethodDescriptorType: Expansion.expand_builtin,
    functools.partial: Expansion.expand_partial,
    type(functools.cache(ascii)): Expansion.expand_cached_function,
    _C.Callable: Expansion.expand_compiled,
    operator.attrgetter: Expansion.expand_getter,
    operator.methodcaller: Expansion.expand_getter,
    staticmethod: Expansion.expand_static,
    classmethod: Expansion.expand_static,
    property: Expansion.expand_property,
    types.GenericAlias: Expansion.expand_alias,
    types.UnionType: Expansion.expand_alias,
    types.MemberDescriptorType: Expansion.expand_descriptor,
    types.GetSetDescriptorType: Expansion.expand_descriptor,
    types.CellType: Expansion.expand_cell,
    type(threading.Lock()): Expansion.expand_lock,
    contextvars.ContextVar: Expansion.expand_context_variable,
    list: Expansion.expand_list,
    tuple: Expansion.expand_tuple,
    set: Expansion.expand_set,
    frozenset: Expansion.expand_set,
    dict: Expansion.expand_dict,
    collections.OrderedDict: Expansion.expand_dict,
    collections.defaultdict: Expansion.expand_default_dict,
    types.MappingProxyType: Expansion.expand_view,
    type({}.keys()): Expansion.expand_view,
    type({}.values()): Expansion.expand_view,
    type({}.items()): Expansion.expand_view,
    weakref.ReferenceType: Expansion.expand_weak_reference,
    types.ModuleType: Expansion.expand_module,
    type: Expansion.expand_class,
    enum.EnumMeta: Expansion.expand_class,
}


CONTENTS = {
    "dict": Expansion.expand_dict,
    "list": Expansion.expand_list,
    "set": Expansion.expand_set,
    "tuple": Expansion.expand_tuple,
    "property": Expansion.expand_property,
    "static": Expansion.expand_static,
}
