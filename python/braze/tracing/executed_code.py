"""What ran during a traced call: every Python code object with its globals, and every C function, judged by the
tables of trusted.py.
"""

import _abc
import contextlib
import contextvars
import dis
import functools
import gc
import itertools
import re
import sys
import types
from threading import get_ident

import torch

from braze import _C
from braze.tracing import trusted
from braze.tracing.module_reads import DICTS, READERS, ModuleReads
from braze.tracing.refusal import Refusal
from braze.tracing.temporary import Temporary

ABSTRACT_CLASS_CHECKS = (_abc._abc_instancecheck, _abc._abc_subclasscheck)
ANSWERED = frozenset(
    function
    for owner in (torch, torch._C, torch._C._autograd, torch._C._functorch)
    for name in trusted.ANSWERED_TORCH
    if type(function := getattr(owner, name, None)) is types.BuiltinFunctionType
)
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_TENSOR_HASH = torch.Tensor.__hash__.__code__
_IMPORT_NAME = dis.opmap["IMPORT_NAME"]


class ExecutedCode(Temporary):
    """A context manager. `codes` maps each code object that ran to its globals; `context_variables` are those read
    or set, `answers` the C functions that told of switches of PyTorch, `module_reads` which modules were asked for
    their parameters, buffers and submodules; `asks_abstract_classes` says whether abstract base classes were asked
    for their (virtual) instances, `operators_in_python` whether the code of an operator ran, `warns` whether
    warnings.warn was called; `refusal` is set when something ran that cannot be vouched for.

    An interpreter profiler that someone else installed on this thread cannot be shared: such a call is refused and
    nothing is noted.
    """

    def __init__(self):
        self.codes = {}
        self.module_reads = ModuleReads()
        self.context_variables = set()
        self.answers = set()
        self.asks_abstract_classes = False
        self.operators_in_python = False
        self.warns = False
        self.is_muted = False
        self.hashing = None  # the frame that has just called hash()
        self.collecting = False
        self.thread = get_ident()
        self.collects = gc.isenabled()
        self.refusal = None

    def apply(self):
        gc.callbacks.append(self._on_collection)
        if sys.getprofile() is not None:
            self.refusal = Refusal("profiler")
        else:
            sys.setprofile(self._on_event)

    def undo(self):
        if self._on_collection in gc.callbacks:
            gc.callbacks.remove(self._on_collection)
        if self.collects != gc.isenabled() and self.refusal is None:
            self.refusal = Refusal("side_effect", "the garbage collector was switched on or off")
        if sys.getprofile() == self._on_event:
            sys.setprofile(None)
        elif self.refusal is None:
            self.refusal = Refusal("profiler", "the traced call replaced it")

    @classmethod
    def of_any(cls, several):
        """What ran in one of several calls."""
        if len(several) == 1:
            return several[0]
        whole = cls()
        for executed in several:
            whole.update(executed)
        return whole

    def update(self, other):
        """What ran there, too."""
        self.codes.update(other.codes)
        self.module_reads.update(other.module_reads)
        self.context_variables |= other.context_variables
        self.answers |= other.answers
        self.asks_abstract_classes |= other.asks_abstract_classes
        self.operators_in_python |= other.operators_in_python
        self.warns |= other.warns

    def is_within(self, other):
        """Nothing ran or was asked here that was not there."""
        return (
            self.codes.keys() <= other.codes.keys()
            and self.context_variables <= other.context_variables
            and self.answers <= other.answers
            and self.asks_abstract_classes <= other.asks_abstract_classes
            and self.warns <= other.warns
            and not self.asks_other_modules(other)
        )

    def asks_other_modules(self, other):
        """What is known of the state by `other` may not be all that was read here."""
        return bool(other.recorded_dicts()) and not self.module_reads.is_within(other.module_reads)

    @contextlib.contextmanager
    def muted(self):
        """Inside, nothing is noted: a replay does it too."""
        self.is_muted = True
        try:
            yield
        finally:
            self.is_muted = False

    def _on_collection(self, phase, _):
        """Finalisers of unrelated objects are not run by the call, though while it runs."""
        if get_ident() == self.thread:
            self.collecting = phase == "start"

    def _on_event(self, frame, event, argument):
        if self.collecting or self.is_muted:
            return
        hashing, self.hashing = self.hashing, None
        if event == "call":
            code = frame.f_code
            if code is _TENSOR_HASH and hashing is frame.f_back:  # a dict that looks for one compares it, too
                self._refuse("the hash of a tensor, which is its address,", hashing)
            if code in READERS:
                self.module_reads.note(frame)
            if _C.inside_operator() and not is_ours(frame):
                self.operators_in_python = True
            if code not in self.codes and not is_unseen(frame):
                self.codes[code] = frame.f_globals
                if trusted.refused_code(code.co_filename, code.co_name):
                    self._refuse(f"{code.co_qualname} of {frame.f_globals.get('__name__')}", frame.f_back)
        elif event == "c_call" and self.refusal is None:
            if type(getattr(argument, "__self__", None)) is contextvars.ContextVar:
                self.context_variables.add(argument.__self__)
                return
            if is_apply_of_function(argument):  # its context says which inputs require grad
                _C.note_autograd_asked()
            if argument in ANSWERED:
                self.answers.add(argument)
            self.hashing = frame if argument is hash else None
            self.asks_abstract_classes |= argument in ABSTRACT_CLASS_CHECKS
            caller = trusted.origin(frame.f_code.co_filename)
            if (problem := problem_of_c_call(argument, caller)) and not _C.inside_operator():
                self._refuse(problem, frame)

    def _refuse(self, what, frame):
        if self.refusal is None:
            self.refusal = Refusal("impure_call", what, place_of(frame))

    def names(self):
        return self.names_used_by(self.codes.keys())

    def names_used_by(self, codes):
        early = {code: rest for code in codes if (rest := rest_after_return(code)) and rest not in self.codes}
        names = names_of(codes - early.keys())
        return names.union(*(names_until(code, rest) for code, rest in early.items()))

    def recorded_dicts(self):
        """Those dicts of modules that nothing else looked into than what `module_reads` has noted."""
        return DICTS.difference(self.names_used_by(self.codes.keys() - READERS))


def is_unseen(frame):
    """Code of ours, and Python code that an operator is made of: a replay runs the operator, whatever it does."""
    return is_ours(frame) or _C.inside_operator()


def is_apply_of_function(function):
    """Whether it is the C part of torch.autograd.Function.apply."""
    owner = getattr(function, "__self__", None)
    return function.__name__ == "apply" and isinstance(owner, type) and issubclass(owner, torch.autograd.Function)


def is_ours(frame):
    return (frame.f_globals.get("__name__") or "").startswith("braze.")


def place_of(frame):
    """The "file:line" of the innermost frame of the user's own code."""
    while frame is not None:
        if trusted.origin(frame.f_code.co_filename) == "user":
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def problem_of_c_call(function, caller):
    """Says which C function it is when a call of it makes a trace impossible to replay; else None."""
    module, name = identify(function)
    if module.partition(".")[0] in ("torch", "functorch", "braze"):
        return f"{module}.{name}" if name in trusted.REFUSED_TORCH and caller != "torch" else None
    if caller == "torch":
        return f"{module}.{name}" if module == "_warnings" or module.startswith("numpy.random") else None
    full = f"{module}.{name}"
    if full in trusted.HARMLESS:
        return None
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return problem_of_method(function, caller)
    if module in trusted.PURE_MODULES and name not in trusted.REFUSED_OF_PURE.get(module, ()):
        return None
    if caller == "stdlib" and module not in trusted.IMPURE_MODULES and module != "builtins":
        return None
    if caller == "stdlib" and module == "builtins" and name not in ("print", "input", "open"):
        return None
    return full


def problem_of_method(function, caller):
    owner, name = function.__self__, function.__name__
    if owner is sys.stdout or owner is sys.stderr:
        return f"{type(owner).__name__}.{name} of a standard stream"
    for cls in (owner if isinstance(owner, type) else type(owner)).__mro__:
        method = cls.__name__, name
        if method in trusted.REFUSED_METHODS or (caller == "user" and method in trusted.REFUSED_TO_USERS):
            return f"{cls.__name__}.{name}"
        if type(cls.__dict__.get(name)) in C_METHODS:
            full = f"{cls.__module__}.{cls.__qualname__}"
            if (
                full in trusted.PLAIN_TYPES
                or cls.__module__.partition(".")[0] == "torch"
                or issubclass(cls, BaseException)
            ):
                return None
            return None if caller == "stdlib" and cls.__module__ not in trusted.IMPURE_MODULES else f"{full}.{name}"
    return f"{type(owner).__module__}.{function.__qualname__}"


C_METHODS = frozenset(
    {
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        types.ClassMethodDescriptorType,
        types.BuiltinFunctionType,
        staticmethod,
    }
)


def identify(function):
    """(module, name) of a C function or bound C method."""
    owner = getattr(function, "__self__", None)
    name = function.__name__
    if isinstance(owner, types.ModuleType):
        return owner.__name__, name
    if owner is not None and type(owner).__module__ != "pybind11_builtins":
        cls = owner if isinstance(owner, type) else type(owner)
        return cls.__module__ or "", name
    return getattr(function, "__module__", None) or "", name


def names_of(codes):
    """The names by which this code can reach attributes: co_names, and constant strings that look like names. Code
    nested in it is code of its own, which ran or did not.
    """
    return set().union(*map(names_of_one, codes))


@functools.lru_cache(maxsize=4096)
def names_of_one(code):
    names = set(code.co_names)
    constants = list(code.co_consts)
    while constants:
        constant = constants.pop()
        if isinstance(constant, str):
            names.update(names_in(constant))
        elif isinstance(constant, (tuple, frozenset)):
            constants.extend(constant)
    return frozenset(names)


def rest_after_return(code):
    """The nested code that has run unless this code returned early, where the tables know such a one."""
    if (name := trusted.runs_unless_early(code.co_filename, code.co_name)) is None:
        return None
    nested = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return next((constant for constant in nested if constant.co_name == name), None)


@functools.lru_cache(maxsize=64)
def names_until(code, nested):
    """The names that this code can have used before it made the function of `nested`."""
    before = itertools.takewhile(lambda instruction: instruction.argval is not nested, dis.get_instructions(code))
    values = [instruction.argval for instruction in before]
    return frozenset(name for value in values if isinstance(value, str) for name in names_in(value))


def names_in(text):
    """What could be names of attributes in a string; of a long one, those in its format fields."""
    return _IDENTIFIER.findall(text) if len(text) < 200 else names_in_fields(text)


def names_in_fields(text):
    """What could be names of attributes in the fields of a format string, "{0.scale:{1.width}}": all from the first to the last brace."""
    return _IDENTIFIER.findall(text, text.find("{"), text.rfind("}")) if "{" in text else []


def imported_modules(code, namespace):
    """The full names of the modules that import statements of this code name."""
    if _IMPORT_NAME not in code.co_code[::2]:
        return set()
    found = set()
    instructions = list(dis.get_instructions(code))
    for position, instruction in enumerate(instructions):
        if instruction.opname != "IMPORT_NAME":
            continue
        level, fromlist = instructions[position - 2].argval, instructions[position - 1].argval
        name = instruction.argval
        if level:
            package = (namespace.get("__package__") or "").rsplit(".", level - 1)[0]
            name = f"{package}.{name}" if name else package
        parts = name.split(".")
        found.update(".".join(parts[: i + 1]) for i in range(len(parts)))
        if isinstance(fromlist, tuple):
            found.update(f"{name}.{item}" for item in fromlist if f"{name}.{item}" in sys.modules)
    return found


def reads_unnamed_attributes(code):
    """Whether this code may reach an attribute whose name it does not spell out as a constant."""
    if trusted.WHOLE_OBJECT_ACCESS.intersection(code.co_names):
        return True
    if not trusted.COMPUTED_ACCESS.intersection(code.co_names):
        return False
    instructions = list(dis.get_instructions(code))
    return any(
        instruction.argval in trusted.COMPUTED_ACCESS and not has_constant_name(instructions, position)
        for position, instruction in enumerate(instructions)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_ATTR", "LOAD_METHOD")
    )


def has_constant_name(instructions, position):
    """Whether the call of the function loaded at `position` has a constant string as its second argument.

    The height of the stack over the function says where an argument ends: the first is complete when the constant is
    loaded at height 1, and the
    constant is an argument by itself when nothing after it, up to the call, brings the height back to 2.
    """
    height, constant = 0, False
    for i, instruction in enumerate(instructions[position + 1 :], position + 1):
        opname = instruction.opname
        if opname in ("CACHE", "NOP", "KW_NAMES"):
            continue
        if constant and opname in ("PRECALL", "CALL") and instruction.arg == height:
            return True
        if "JUMP" in opname or opname in ("SEND", "FOR_ITER", "RETURN_VALUE"):
            return False
        if height == 1 and not constant and opname == "LOAD_CONST" and isinstance(instruction.argval, str):
            following = instructions[i + 1].opname
            constant = following.startswith("LOAD_") or following in ("PRECALL", "CALL", "KW_NAMES", "PUSH_NULL")
            height = 2
            continue
        height += dis.stack_effect(
            instruction.opcode, instruction.arg if instruction.opcode >= dis.HAVE_ARGUMENT else None
        )
        if (
            height < 1
            or (constant and height <= 2)
            or (not constant and height >= 2 and not is_nested(instructions, i))
        ):
            return False
    return False


def is_nested(instructions, position):
    """Whether the first argument is still being computed after `position`: something later takes it from the stack
    again.
    """
    following = instructions[position + 1].opname
    return not following.startswith("LOAD_CONST")
