"""The PyTorch functions that a call ran, with all that decides their sizes: run again on tensors of other sizes, a tape
says what the call does there, without any of the user's code.

A call's arguments are kept as templates: the containers as they were, with a Slot for each tensor and a Size for each
integer that was computed from sizes. Integers that PyTorch answered are reads, named r0, r1, ...

A replay runs the real operators on tensors full of ones (integers: zeros, which are valid positions), for meta kernels
exist in part only, pick other kernels than the CPU's, and take seconds to be imported.
"""

import types
import weakref

import torch

from braze import _C
from braze.tracing.generator_states import GeneratorStates
from braze.tracing.proof import version_of
from braze.tracing.symbolic_size import SymbolicSize
from braze.tracing.trace import plain_paths

PLAIN = (
    int,
    float,
    complex,
    bool,
    str,
    bytes,
    type(None),
    type(Ellipsis),
    torch.dtype,
    torch.device,
    torch.layout,
    torch.memory_format,
)
KEPT = (torch.Generator, type)


class Unlearnable(Exception):
    """The tape cannot hold this."""


class Diverged(Exception):
    """At these sizes the call does something else."""


class Busy(Exception):
    """Another thread is recording."""


class Slot:
    """A tensor, by its number on the tape."""

    def __init__(self, index):
        self.index = index


class Size:
    """An integer as an expression."""

    def __init__(self, source):
        self.source = source
        self.code = compile(source, "<size>", "eval")

    def at(self, values):
        return eval(self.code, {"__builtins__": {}}, values)


class TapedCall:
    def __init__(self, function, args, kwargs, answers):
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.answers = answers  # of the result's leaves: a Slot, the name of a read, or (value,)


class Tape:
    """`arguments`: the tensors of the call."""

    def __init__(self, arguments):
        self.calls = []
        self.slots = {}  # id of a tensor -> its number; the tensors live in `alive` while the tape is written
        self.alive = []
        self.count = 0
        self.arguments = [self.slot_of(tensor).index for tensor in arguments]
        self.require_grad = [tensor.requires_grad for tensor in arguments]
        self.constants = {}  # number -> a tensor that was there before the call; in the end, a weak reference to it
        self.results = []
        self.reads = 0

    # Writing.

    def slot_of(self, tensor):
        """The slot of a tensor; one not met before gets a new one."""
        known = self.slots.get(id(tensor))
        if known is None:
            self.alive.append(tensor)
            known = self.slots[id(tensor)] = Slot(self.count)
            self.count += 1
        return known

    def operand(self, tensor):
        if id(tensor) not in self.slots:
            slot = self.slot_of(tensor)
            self.constants[slot.index] = tensor
        return self.slots[id(tensor)]

    def template(self, value):
        kind = type(value)
        if kind is SymbolicSize:
            return Size(value._source)
        if kind in (tuple, torch.Size):
            return tuple(map(self.template, value))
        if kind is list:
            return list(map(self.template, value))
        if kind is dict:
            return {key: self.template(item) for key, item in value.items()}
        if kind is slice:
            return slice(self.template(value.start), self.template(value.stop), self.template(value.step))
        if isinstance(value, torch.Tensor):
            return self.operand(value)
        if isinstance(value, PLAIN + KEPT):
            return value
        raise Unlearnable(f"an argument of type {kind.__name__}")

    def note(self, function, args, kwargs, result, name_read):
        """Adds a call. `name_read(position)` gives the name of the integer at this place of the result, or None when it
        is a constant.
        """
        if isinstance(function, types.FunctionType) and not function.__module__.startswith("torch"):
            raise Unlearnable(f"{function.__qualname__} is handled as a PyTorch function")
        args, kwargs = self.template(args), self.template(kwargs)
        answers = []
        for position, leaf in enumerate(leaves(result)):
            if isinstance(leaf, torch.Tensor):
                answers.append(self.slot_of(leaf))
            elif type(leaf) is int and (name := name_read(position)) is not None:
                answers.append(name)
            elif isinstance(leaf, PLAIN):
                answers.append((leaf,))
            else:
                raise Unlearnable(f"{attribute_name(function)} gave a {type(leaf).__name__}")
        self.calls.append(TapedCall(function, args, kwargs, answers))

    def size_sources(self):
        """The expressions that Python computed from sizes and passed on."""
        found = set()
        for call in self.calls:
            collect_sources((call.args, call.kwargs), found)
        return sorted(found)

    def finish(self, results, generators, drawn, written):
        """`generators`: those the guards reach; `drawn`: those the call moves; `written`: tensors that were there before
        the call, which it writes.
        """
        for tensor in results:
            if id(tensor) not in self.slots:
                raise Unlearnable("a result comes from elsewhere")
        self.results = [self.slots[id(tensor)].index for tensor in results]
        self.written = {self.slots[id(tensor)].index for tensor in written}
        self.constants = {index: weakref.ref(tensor) for index, tensor in self.constants.items()}
        self.generators = generators
        self.drawn = drawn
        self.alive = self.slots = None

    # Reading.

    def replay(self, spec, symbols, captured):
        """(the captured program, the values of symbols and reads, all sizes met) of the call at these sizes. Raises Diverged or Busy."""
        values = {f"s{i}": value for i, value in enumerate(symbols)}
        tensors = [None] * self.count
        for index, reference in self.constants.items():
            tensors[index] = reference()
            if tensors[index] is None:
                raise Diverged("a captured tensor has died")
            if index in self.written:
                tensors[index] = twin_of(tensors[index])
        arguments = []
        for index, grad, geometry in zip(self.arguments, self.require_grad, spec.geometries(symbols)):
            if tensors[index] is None:
                tensors[index] = full_tensor(*geometry, grad)
            arguments.append(tensors[index])
        candidates = [tensors[index] for index in captured]
        versions = [version_of(tensor) for tensor in arguments + candidates]
        states = GeneratorStates(self.drawn)
        with _C.TraceScope():
            if not _C.start_recording():
                raise Busy
            try:
                with plain_paths():
                    for call in self.calls:
                        self.replay_call(call, tensors, values)
            except Diverged:
                raise
            except Exception as error:
                raise Diverged(f"{type(error).__name__}: {error}".partition("\n")[0]) from error
            finally:
                recording = _C.stop_recording()
                states.put_back()
        results = [tensors[index] for index in self.results]
        program = recording.functionalise(arguments, candidates, results, self.generators)
        if isinstance(program, tuple):
            raise Diverged(": ".join(program))
        if program.captured != list(range(len(captured))):
            raise Diverged("other tensors are read")
        moved = zip(arguments + candidates, versions)
        program.version_moves = [version_of(tensor) - version for tensor, version in moved]
        return program, values, [size for tensor in tensors if tensor is not None for size in tensor.shape]

    def replay_call(self, call, tensors, values):
        result = call.function(*filled(call.args, tensors, values), **filled(call.kwargs, tensors, values))
        found = leaves(result)
        if len(found) != len(call.answers):
            raise Diverged(f"{attribute_name(call.function)} gives {len(found)} results, not {len(call.answers)}")
        for leaf, answer in zip(found, call.answers):
            if type(answer) is Slot:
                tensors[answer.index] = leaf
            elif type(answer) is str:
                values[answer] = leaf
            elif type(leaf) is not type(answer[0]) or leaf != answer[0]:
                raise Diverged(f"{attribute_name(call.function)} answers {leaf}, not {answer[0]}")


def full_tensor(sizes, strides, dtype, requires_grad):
    extent = 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides))
    whole = dtype.is_floating_point or dtype.is_complex or dtype is torch.bool
    memory = torch.full((extent if all(sizes) else 0,), 1 if whole else 0, dtype=dtype)
    return memory.as_strided(sizes, strides).requires_grad_(requires_grad)


def twin_of(tensor):
    """The same sizes and strides, so that the tensor itself is not written."""
    with torch.no_grad():
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype).copy_(tensor)


def filled(template, tensors, values):
    """A template with tensors and numbers in it."""
    kind = type(template)
    if kind is Slot:
        return tensors[template.index]
    if kind is Size:
        return template.at(values)
    if kind is tuple:
        return tuple([filled(item, tensors, values) for item in template])
    if kind is list:
        return [filled(item, tensors, values) for item in template]
    if kind is dict:
        return {key: filled(item, tensors, values) for key, item in template.items()}
    if kind is slice:
        return slice(*(filled(item, tensors, values) for item in (template.start, template.stop, template.step)))
    return template


def collect_sources(template, found):
    kind = type(template)
    if kind is Size:
        found.add(template.source)
    elif kind is tuple or kind is list:
        for item in template:
            collect_sources(item, found)
    elif kind is dict:
        collect_sources(tuple(template.values()), found)
    elif kind is slice:
        collect_sources((template.start, template.stop, template.step), found)


def leaves(result):
    """What a function returned, without the containers."""
    if isinstance(result, (tuple, list)):
        found = []
        for item in result:
            found += leaves(item)
        return found
    return [result]


def attribute_name(function):
    """The name of a function, or of the attribute that a getter gets."""
    name = getattr(function, "__name__", "?")
    return getattr(function.__self__, "__name__", name) if name in ("__get__", "__set__") else name
