"""The Python state a traced call could have read: everything reachable from its roots by the names its code uses, as guards.

The roots are the function itself (closure, defaults, self), the arguments that are matched by identity, and for each code object that ran the
globals it names. From an object we go on to the attributes the code names (all of them where it computes a name), from a container to all its
items, from an object to its class. Every place passed on the way becomes a guard of braze._C.StateGuards, so the guards hold exactly when
nothing reachable has changed. What cannot be looked into is a Refusal that names the object's path.

No user code runs here: attributes are read from dicts and slots, never by getattr.
"""

import builtins
import collections
import contextvars
import dis
import enum
import functools
import gc
import logging
import os
import sys
import types
import weakref

import torch

from braze import _C
from braze.tracing import trusted
from braze.tracing.executed_code import imported_modules, names_of, problem_of_c_call, reads_unnamed_attributes
from braze.tracing.refusal import Refusal
from braze.tracing.visible import instance_kind, is_python_class, slots_of

MOST_OBJECTS = 200_000
MOST_ITEMS = 100_000

_get_mro = type.__dict__["__mro__"].__get__
_get_class_dict = type.__dict__["__dict__"].__get__
_STORE_GLOBAL = dis.opmap["STORE_GLOBAL"]
_CONTAINER_ATTRIBUTES = ("._modules", "._parameters", "._buffers")
_OF_NO_USE = frozenset({"__dict__", "__weakref__", "__annotations__", "__doc__", "__dataclass_fields__", "__dataclass_params__", "__match_args__"})
_LOGGER_STATE = ("level", "disabled", "propagate", "parent", "handlers", "filters")


def snapshot(function, args, kwargs, executed, spec=None):
    """The state that a call function(*args, **kwargs) running the code of `executed` depends on, as it is now.

    `spec`: the ArgumentSpec of the call, by which objects among the arguments are known.
    """
    names, extra = executed.names(), set()
    whole = any(is_whole(code) for code in executed.codes)
    while True:
        state = Snapshot(executed, names | extra, whole)
        state.walk(function, args, kwargs, spec)
        if state.refusal or state.met_names <= names | extra:
            return state
        extra |= state.met_names


@functools.lru_cache(maxsize=4096)
def is_whole(code):
    """Whether this code may read attributes whose names it does not spell out."""
    if trusted.origin(code.co_filename) == "user":
        return reads_unnamed_attributes(code)
    return trusted.reads_whole_objects(code.co_filename, code.co_name)


class Snapshot:
    """Guards with what they guard. `tensors`: (path, tensor) of those found; `objects`: what existed before the call, for results that are no
    new objects; `refusal`: set when something cannot be vouched for.
    """

    def __init__(self, executed, names, whole):
        self.guards = _C.StateGuards()
        self.guards.set_names(frozenset(names))
        self.tensors = []
        self.refusal = None
        self.met_names = set()
        self.executed = executed
        self.names = names
        self.whole = whole
        self.seen = {}
        self.todo = []
        self.found_codes = set()
        self.user_names = names_of(code for code in executed.codes if trusted.origin(code.co_filename) == "user")
        self.calls_back = not trusted.HIGHER_ORDER.isdisjoint(self.user_names)
        self.in_library = False  # what is being expanded belongs to PyTorch or the standard library: what cannot be seen there is theirs to keep
        self.argument_guards = _C.StateGuards()
        self.argument_containers = []
        self.tensor_paths = {}

    @property
    def objects(self):
        """(objects a result may contain as they are, containers of the arguments, which it may not)."""
        return list(self.seen.values()), self.argument_containers

    def changed(self):
        """The paths of what is no longer as it was when the snapshot was taken."""
        return self.guards.changed() + self.argument_guards.changed()

    def path_of(self, tensor):
        return self.tensor_paths.get(id(tensor), "a captured tensor")

    # The walk.

    def walk(self, function, args, kwargs, spec):
        for path, value in spec.objects if spec is not None else ():
            self.guards.add_weak_root(value)
            self.visit(value, path)
        self.walk_argument_containers(args, kwargs)
        self.visit(function, root_name(function))
        for cls in (torch.Tensor, torch.nn.Parameter):  # the classes of what the call makes
            self.visit(cls, class_name(cls))
        for variable in self.executed.context_variables:
            self.visit(variable, f"ContextVar {variable.name}")
        for namespace, codes in by_namespace(self.executed.codes):
            self.visit_globals(namespace, codes)
        while self.todo and self.refusal is None:
            value, path, self.in_library = self.todo.pop()
            self.expand(value, path)
            if len(self.seen) > MOST_OBJECTS:
                self.refuse("state_too_large", f"{path} and what it refers to: more than {MOST_OBJECTS} objects")
        if self.refusal is None:
            self.check_origin_of_code()
        if self.refusal is None and spec is not None:
            if not spec.check(args, kwargs):
                return self.refuse("side_effect", spec.explain(args, kwargs))
            self.guards.add_alias_links(spec.tensors(args, kwargs), [tensor for _, tensor in self.tensors])

    def refuse(self, reason, detail):
        if self.refusal is None:
            self.refusal = Refusal(reason, detail)

    def visit(self, value, path):
        if type(value) is str:
            if self.whole and len(value) < 200:
                self.met_names.update(part for part in value.split(".") if part.isidentifier())
            return
        if id(value) in self.seen or _C.is_immutable_value(value):
            if self.whole and type(value) is tuple:
                for item in value:
                    self.visit(item, path)
            return
        self.seen[id(value)] = value
        self.todo.append((value, path, self.in_library))

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
        if issubclass(cls, logging.Logger):
            return self.expand_logger(value, path)
        self.expand_instance(value, path)

    def walk_argument_containers(self, args, kwargs):
        """Lists and dicts the caller owns: the argument spec matches them, here we only watch whether the call changes them."""
        todo = [(value, f"args[{i}]") for i, value in enumerate(args)] + [(value, name) for name, value in kwargs.items()]
        met = set()
        while todo:
            value, path = todo.pop()
            if id(value) in met:
                continue
            if type(value) is list:
                self.argument_guards.add_list(value, path)
                items = [(item, f"{path}[{i}]") for i, item in enumerate(value)]
            elif type(value) is dict:
                self.argument_guards.add_items(value, path)
                items = [(item, f"{path}[{key!r}]") for key, item in value.items()]
            elif isinstance(value, tuple):
                items = [(item, f"{path}[{i}]") for i, item in enumerate(value)]
            else:
                continue
            met.add(id(value))
            self.argument_containers.append(value)
            todo.extend(items)

    def visit_globals(self, namespace, codes):
        """The globals and builtins this code of one module names; what the standard library and PyTorch refer to is watched, not followed."""
        name = namespace.get("__name__") or "globals"
        names = set().union(*map(own_names, codes))
        used = sorted(names & namespace.keys())
        if trusted.origin(codes[0].co_filename) != "user":
            stored = set().union(*map(stored_globals, codes))
            self.guards.add_listed(namespace, tuple(key for key in used if key not in stored), name)
            if name == "os":
                self.visit(os.environ, "os.environ")
            for key in used:
                if key.startswith("_global_"):
                    self.visit(namespace[key], f"{name}.{key}")
            return
        own = namespace.get("__builtins__", builtins)
        own = own.__dict__ if isinstance(own, types.ModuleType) else own
        builtin = sorted((names - namespace.keys()) & own.keys())
        self.guards.add_listed(namespace, tuple(used + builtin), name)
        self.guards.add_listed(own, tuple(builtin), "builtins")
        for key in used:
            self.visit(namespace[key], f"{name}.{key}")
        for key in builtin:
            if not is_builtin_of_python(own[key]):
                self.visit(own[key], f"builtins.{key}")
        modules = sorted(set().union(*(imported_modules(code, namespace) for code in codes)))
        if modules:
            self.guards.add_listed(sys.modules, tuple(modules), "sys.modules")
        for module in modules:
            if module in sys.modules:
                self.visit(sys.modules[module], module)

    def check_origin_of_code(self):
        """User code that ran must be of a function that was found, or made by code that ran; else its closure and defaults are unknown."""
        made, todo = set(), list(self.executed.codes)
        while todo:
            for constant in todo.pop().co_consts:
                if isinstance(constant, types.CodeType) and constant not in made:
                    made.add(constant)
                    todo.append(constant)
        for code in self.executed.codes:
            if code not in self.found_codes and code not in made and trusted.origin(code.co_filename) == "user":
                return self.refuse("unknown_function", f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})")

    # One method for each kind of object.

    def expand_function(self, function, path):
        code = function.__code__
        if trusted.origin(code.co_filename) != "user" and not self.has_user_closure(function):
            return
        self.expand_attributes(function, path)
        if code not in self.executed.codes:
            return
        self.found_codes.add(code)
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
        owner = function.__self__
        if self.calls_back and type(function) is types.BuiltinFunctionType and (problem := problem_of_c_call(function, "stdlib")):
            return self.refuse("impure_call", f"{problem}, which C code could call")
        if owner is not None and not isinstance(owner, (types.ModuleType, type)):
            self.visit(owner, f"{path}.__self__")

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
        for cache in gc.get_referents(wrapper):
            if type(cache) is dict and cache is not getattr(wrapper, "__dict__", None):
                self.guards.add_frozen(cache, f"the cache of {path}")
                for cached in cached_results(cache):
                    self.visit(cached, f"{path}(...)")

    def expand_compiled(self, compiled, path):
        """A compiled callable inside the call runs its function."""
        self.visit(compiled.function, path)

    def expand_static(self, method, path):
        self.visit(method.__func__, path)

    def expand_property(self, prop, path):
        for function in (prop.fget, prop.fset, prop.fdel):
            if function is not None:
                self.visit(function, path)

    def expand_context_variable(self, variable, path):
        self.guards.add_context_variable(variable, path)
        self.visit(variable.get(None), path)

    def expand_cell(self, cell, path):
        self.guards.add_cell(cell, path)
        try:
            content = cell.cell_contents
        except ValueError:
            return
        self.visit(content, path)

    def expand_list(self, values, path):
        if self.is_too_large(values, path):
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
        if self.is_too_large(values, path):
            return
        self.guards.add_items(values, path)
        base = next((path.removesuffix(ending) for ending in _CONTAINER_ATTRIBUTES if path.endswith(ending)), None)
        for key, value in dict.items(values):
            self.visit(key, f"{path} (a key)")
            self.visit(value, f"{base}.{key}" if base is not None else f"{path}[{short(key)}]")

    def expand_default_dict(self, values, path):
        self.guards.add_type(values, path)
        self.guards.add_member(values, _get_class_dict(collections.defaultdict)["default_factory"], f"{path}.default_factory")
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
        self.visit(target, f"{path}()")

    def expand_tensor(self, tensor, path):
        if type(tensor) in (torch.Tensor, torch.nn.Parameter):
            self.tensors.append((path, tensor))
        self.tensor_paths[id(tensor)] = path
        self.guards.add_type(tensor, path)
        self.expand_attributes(tensor, path)

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
        for base in _get_mro(cls):
            if id(base) in self.seen and base is not cls:
                continue
            self.seen[id(base)] = base
            own = not trusted.is_trusted_module(class_module(base))
            self.guards.add_class(base, class_name(base), own and self.whole)
            if not own:
                continue
            if base is cls and not is_python_class(cls):
                return self.refuse("unknown_state", f"{path}: the C type {class_module(cls)}.{class_name(cls)}")
            for name, value in _get_class_dict(base).items():
                if self.whole or name in self.names or (is_special(name) and is_code(value)):
                    if name not in _OF_NO_USE:
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
        whole = self.whole and (isinstance(value, torch.nn.Module) or class_module(cls).partition(".")[0] not in trusted.TRUSTED_PACKAGES)
        if whole:
            self.guards.add_items(namespace, path)
        else:
            self.guards.add_named(namespace, path)
        for name in list(namespace) if whole else self.names & namespace.keys():
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
    types.FunctionType: Snapshot.expand_function,
    types.MethodType: Snapshot.expand_method,
    types.BuiltinFunctionType: Snapshot.expand_builtin,
    types.MethodWrapperType: Snapshot.expand_builtin,
    functools.partial: Snapshot.expand_partial,
    type(functools.cache(ascii)): Snapshot.expand_cached_function,
    _C.Callable: Snapshot.expand_compiled,
    staticmethod: Snapshot.expand_static,
    classmethod: Snapshot.expand_static,
    property: Snapshot.expand_property,
    types.CellType: Snapshot.expand_cell,
    contextvars.ContextVar: Snapshot.expand_context_variable,
    list: Snapshot.expand_list,
    tuple: Snapshot.expand_tuple,
    set: Snapshot.expand_set,
    frozenset: Snapshot.expand_set,
    dict: Snapshot.expand_dict,
    collections.OrderedDict: Snapshot.expand_dict,
    collections.defaultdict: Snapshot.expand_default_dict,
    types.MappingProxyType: Snapshot.expand_view,
    type({}.keys()): Snapshot.expand_view,
    type({}.values()): Snapshot.expand_view,
    type({}.items()): Snapshot.expand_view,
    weakref.ReferenceType: Snapshot.expand_weak_reference,
    types.ModuleType: Snapshot.expand_module,
    type: Snapshot.expand_class,
    enum.EnumMeta: Snapshot.expand_class,
}


CONTENTS = {
    "dict": Snapshot.expand_dict,
    "list": Snapshot.expand_list,
    "set": Snapshot.expand_set,
    "tuple": Snapshot.expand_tuple,
    "property": Snapshot.expand_property,
    "static": Snapshot.expand_static,
}


@functools.lru_cache(maxsize=4096)
def own_names(code):
    """The names this code and the code nested in it use, globals among them."""
    return frozenset(names_of([code]))


def by_namespace(codes):
    """(globals, code objects) with the code of PyTorch and the standard library apart from the user's in the same globals."""
    groups = {}
    for code, namespace in codes.items():
        key = id(namespace), trusted.origin(code.co_filename) == "user"
        groups.setdefault(key, (namespace, []))[1].append(code)
    return groups.values()


@functools.lru_cache(maxsize=4096)
def stored_globals(code):
    """Global names this code assigns: when it is trusted code, flags and caches of its own."""
    if _STORE_GLOBAL not in code.co_code[::2]:
        return frozenset()
    return frozenset(instruction.argval for instruction in dis.get_instructions(code) if instruction.opcode == _STORE_GLOBAL)


def is_builtin_of_python(value):
    return isinstance(value, (type, types.BuiltinFunctionType)) and getattr(value, "__module__", None) == "builtins"


def class_name(cls):
    return type.__dict__["__qualname__"].__get__(cls)


def class_module(cls):
    module = _get_class_dict(cls).get("__module__") if cls.__flags__ & 1 << 9 else cls.__module__
    return module if isinstance(module, str) else ""


def is_special(name):
    return name.startswith("__") and name.endswith("__") and len(name) > 4


def is_code(value):
    return isinstance(value, (types.FunctionType, property, staticmethod, classmethod, functools.partial))


def cached_results(cache):
    """What the dict of a functools cache holds: results, or for a bounded one links to them."""
    for value in cache.values():
        yield from gc.get_referents(value) if type(value).__name__ == "_lru_list_elem" else (value,)


def root_name(function):
    return "self" if isinstance(function, torch.nn.Module) else getattr(function, "__qualname__", type(function).__qualname__)


def path_of_self(method, path):
    name = method.__func__.__name__ if hasattr(method.__func__, "__name__") else ""
    return path.removesuffix(f".{name}") if path.endswith(f".{name}") and path.count(".") > 1 else "self"


def short(key):
    text = repr(key) if _C.is_immutable_value(key) else type(key).__name__
    return text if len(text) <= 40 else text[:37] + "..."
