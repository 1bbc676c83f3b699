"""The Python state a traced call could have read: all that is reachable from its roots by the names its code uses.

The roots are the function itself (closure, defaults, self), the arguments that are matched by identity, and for each
code object that ran the globals it names. From an object we go on to the attributes the code names (to all of them
where it computes a name), from a container to all its items, from an object to its class. Every place passed on the
way becomes a guard of braze._C.StateGuards, so the guards hold exactly when nothing reachable has changed. What
cannot be looked into is a Refusal that names the object's path.

No user code runs here: attributes are read from dicts and slots, never by getattr.
"""

import _abc
import builtins
import dis
import functools
import os
import sys
import types
import warnings

import torch

from braze import _C
from braze.tracing import trusted
from braze.tracing.argument_memory import contents_of, same
from braze.tracing.executed_code import (
    imported_modules,
    names_in,
    names_in_fields,
    names_of,
    names_of_one,
    reads_unnamed_attributes,
)
from braze.tracing.expansion import Expansion
from braze.tracing.python_state import PythonState
from braze.tracing.refusal import Refusal
from braze.tracing.state_paths import root_name
from braze.tracing.visible import class_name

MOST_OBJECTS = 200_000
_MATCH_CLASS = dis.opmap["MATCH_CLASS"]
ORDERINGS = frozenset({"<", "<=", ">", ">="})
_STORE_GLOBAL = dis.opmap["STORE_GLOBAL"]


def snapshot(function, executed, objects=(), arguments=(), container_types=(), places=None, fresh_keyed=()):
    """The state that a call of the function running the code of `executed` depends on, as it is now.

    `objects`: (path, object) of the arguments that are matched by identity. `arguments`: the tensors among them.
    `container_types`: the classes of what is matched by structure. `places`: by the id of
    their owner, the Place that counts as an argument. `fresh_keyed`: the functools caches that keep nothing which is
    found again.
    """
    names, extra = executed.names() | {"__getattr__"}, set()
    if "_FIELDS" in names:  # what dataclasses.py calls it
        extra.add("__dataclass_fields__")
    whole = any(is_whole(code) for code in executed.codes)
    while True:
        state = Snapshot(executed, names, extra, whole, places or {}, fresh_keyed)
        state.walk(function, objects, arguments, container_types)
        if state.met_names <= (names - state.recorded_dicts) | extra and whole >= state.met_access:
            return state
        extra |= state.met_names
        whole |= state.met_access


@functools.lru_cache(maxsize=4096)
def is_whole(code):
    """Whether this code may read attributes whose names it does not spell out."""
    if trusted.origin(code.co_filename) == "user":
        return reads_unnamed_attributes(code)
    return trusted.reads_whole_objects(code.co_filename, code.co_name)


class Snapshot(Expansion, PythonState):
    """The state as a walk over all that is reachable finds it."""

    def __init__(self, executed, names, met_before, whole, places, fresh_keyed):
        """`names`: those that the executed code spells out. `met_before`: those that values spelled out in walks before."""
        super().__init__()
        self.names = names | met_before
        self.guards.set_names(frozenset(self.names))
        self.places = places
        self.fresh_keyed = fresh_keyed
        self.attributes = []  # (object, path, the attributes that are guarded)
        self.contents = []  # (list or dict, path, what is in it)
        self.met_access = False  # a function that reads attributes by names it is given is among the values
        self.executed = executed
        self.whole = whole
        # The dicts of modules of which is known which modules were asked.
        self.recorded_dicts = frozenset() if whole else executed.recorded_dicts() - met_before
        self.todo = []
        self.found_codes = set()
        self.watched = set()  # modules whose attributes are compared but not followed
        self.user_names = names_of(code for code in executed.codes if trusted.origin(code.co_filename) == "user")
        self.user_names.add("__getattr__")  # of modules
        self.formats = not self.user_names.isdisjoint(("format", "format_map"))
        self.matches = any(_MATCH_CLASS in code.co_code[::2] for code in executed.codes)
        # C code compares and prints all of a SimpleNamespace.
        self.compares_objects = any(map(may_compare_objects, executed.codes))
        self.calls_back = not trusted.HIGHER_ORDER.isdisjoint(self.user_names)
        # What is being expanded is of PyTorch or the standard library: what cannot be seen there is theirs to keep.
        self.in_library = False
        self.tensor_paths = {}

    def replaced(self):
        for owner, path, before in self.attributes:
            is_object = type(owner) not in (dict, types.CellType)
            now = vars(owner) if is_object else contents_of(owner)
            for name in before.keys() | (self.names & now.keys() if is_object else set()):
                old, new = before.get(name), now.get(name)
                if old is not new and not _C.same_value(old, new):
                    yield owner, path, name, old, new
        for container, path, before in self.contents:
            if not same(before, contents_of(container)):
                yield container, path, None, None, None

    def changed_caches(self):
        return [cache for cache in self.caches if cache.wrapper in self.fresh_keyed and not cache.is_as_it_was()]

    def path_of(self, tensor):
        return self.tensor_paths.get(id(tensor), "a captured tensor")

    # The walk.

    def walk(self, function, objects, arguments, container_types):
        self.is_closed = not self.places and not self.fresh_keyed
        for path, value in objects:
            self.guards.add_weak_root(value)
            self.is_closed = False
            self.visit(value, path)
        if frames := trusted.FRAME_NAMES & self.user_names:
            self.refuse("impure_call", f"frames are read: {min(frames)}")
        if decimals := trusted.DECIMAL_NAMES & self.user_names:
            self.refuse("impure_call", f"{min(decimals)}: decimal arithmetic follows the context of the thread")
        self.visit(function, root_name(function))
        for cls in set(container_types) - {tuple, list, dict}:
            self.visit(cls, class_name(cls))
        for cls in (torch.Tensor, torch.nn.Parameter):  # the classes of what the call makes
            self.visit(cls, class_name(cls))
        if self.executed.warns:
            self.guards.add_listed(vars(warnings), ("filters", "defaultaction", "onceregistry"), "warnings")
            self.visit(warnings.filters, "warnings.filters")
        if self.executed.asks_abstract_classes:
            self.guards.add_answer(_abc.get_cache_token, "the classes registered with abstract base classes")
        for function in self.executed.answers:
            self.guards.add_answer(function, f"{function.__module__ or 'torch'}.{function.__name__}()")
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
        if self.refusal is None:
            self.guards.add_alias_links(arguments, [tensor for _, tensor in self.tensors])

    def may_read(self, names):
        """Whether the code may read attributes of these names."""
        return self.whole or not names.isdisjoint(self.names)

    def refuse(self, reason, detail):
        if self.refusal is None:
            self.refusal = Refusal(reason, detail)

    def visit(self, value, path):
        if type(value) is str:
            if self.whole or self.formats:
                self.met_names.update(names_in(value) if self.whole else names_in_fields(value))
            return
        if id(value) in self.seen or _C.is_immutable_value(value):
            if self.whole and type(value) is tuple:
                for item in value:
                    self.visit(item, path)
            return
        self.seen[id(value)] = value
        self.todo.append((value, path, self.in_library))

    def visit_globals(self, namespace, codes):
        """The globals and builtins this code of one module names; what the standard library and PyTorch refer to is
        watched, and followed where the tables say so.
        """
        name = namespace.get("__name__") or "globals"
        names = set().union(*map(names_of_one, codes))
        used = sorted(names & namespace.keys())
        if trusted.origin(codes[0].co_filename) != "user":
            stored = set().union(*map(stored_globals, codes))
            self.guards.add_listed(namespace, tuple(key for key in used if key not in stored), name)
            for owner in sorted({code.co_qualname.partition(".")[0] for code in codes if "." in code.co_qualname}):
                if isinstance(namespace.get(owner), type):  # flags that its methods read
                    self.visit(namespace[owner], owner)
            if name == "os":
                self.visit(os.environ, "os.environ")
            for key in used:
                value = namespace[key]
                if key.startswith("_global_") or f"{name}.{key}" in trusted.FOLLOWED_GLOBALS:
                    self.visit(value, f"{name}.{key}")
                elif isinstance(value, types.ModuleType) and id(value) not in self.watched:
                    self.watched.add(id(value))
                    self.guards.add_named(self.guards.add_instance_dict(value, f"{name}.{key}"), f"{name}.{key}")
            return
        # Code that catches exceptions can tell that a name is absent.
        missing = set().union(*(names_of_one(code) for code in codes if code.co_exceptiontable)) - namespace.keys()
        own = namespace.get("__builtins__", builtins)
        own = own.__dict__ if isinstance(own, types.ModuleType) else own
        builtin = sorted((names - namespace.keys()) & own.keys())
        used = self.visit_kept_globals(namespace, used, name)
        self.guards.add_listed(namespace, tuple({*used, *builtin, *missing}), name)
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

    def visit_kept_globals(self, namespace, used, name):
        """Notes which globals the code could replace; those it is known to replace count as arguments."""
        place = self.places.get(id(namespace))
        self.attributes.append((namespace, name, {key: namespace[key] for key in used}))
        return [key for key in used if place is None or key not in place.names]

    def check_origin_of_code(self):
        """User code that ran must be of a function that was found, or made by code that ran; else its closure and
        defaults are unknown.
        """
        made, todo = set(), list(self.executed.codes)
        while todo:
            for constant in todo.pop().co_consts:
                if isinstance(constant, types.CodeType) and constant not in made:
                    made.add(constant)
                    todo.append(constant)
        for code in self.executed.codes:
            if code not in self.found_codes and code not in made and trusted.origin(code.co_filename) == "user":
                return self.refuse("unknown_function", f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})")


@functools.lru_cache(maxsize=4096)
def may_compare_objects(code):
    """Whether user code compares two values neither of which is a constant next to the comparison, or makes text."""
    if trusted.origin(code.co_filename) != "user":
        return False
    if not trusted.TEXT_NAMES.isdisjoint(code.co_names):
        return True
    before = ""
    for instruction in dis.get_instructions(code):
        opname = instruction.opname
        if opname == "FORMAT_VALUE" or (
            opname in ("COMPARE_OP", "CONTAINS_OP") and before != "LOAD_CONST" and instruction.argval not in ORDERINGS
        ):
            return True
        before = opname
    return False


def by_namespace(codes):
    """(globals, code objects) with the code of PyTorch and the standard library apart from the user's in the same
    globals.
    """
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
    return frozenset(
        instruction.argval for instruction in dis.get_instructions(code) if instruction.opcode == _STORE_GLOBAL
    )


def is_builtin_of_python(value):
    return isinstance(value, (type, types.BuiltinFunctionType)) and getattr(value, "__module__", None) == "builtins"
