"""The learning run: the call once more, on the same arguments, to learn what Python does with sizes. Its results are
thrown away.
"""

import torch

from braze import _C
from braze.tracing.argument_memory import REORDERED
from braze.tracing.second_eye import SecondEye
from braze.tracing.symbolic_size import PathGuards, SymbolicSize, hint_of
from braze.tracing.tape import Tape, Unlearnable, attribute_name
from braze.tracing.trace import arguments_decide_overrides, plain_paths

TUPLE_ITERATOR = type(iter(()))


class Lesson:
    """What a learning run taught: the tape, what Python asked about sizes, and what the call came to: its result and
    effects as the output tree is built from them.
    """

    def __init__(self, eye, outcome, recording):
        self.tape = eye.tape
        self.guards = eye.guards
        self.outcome = outcome
        self.recording = recording


class LearningEye(SecondEye):
    """Hands sizes to Python as SymbolicSize and writes the tape. PyTorch itself only ever sees plain numbers."""

    def __init__(self, arguments, spec):
        super().__init__()
        self.tape = Tape(arguments)
        self.guards = PathGuards()
        self.problem = None
        # Sizes of arguments: the name of the symbol, or None for a number that the entry checks.
        self.sizes = {id(tensor): [None] * tensor.dim() for tensor in arguments}
        for number in range(len(spec.symbols)):
            self.name_sizes(arguments, spec, number)

    def name_sizes(self, arguments, spec, number):
        """All dims that the symbol stands for: those whose size follows it."""
        count = len(spec.symbols)
        usual, other = [2] * count, [2] * count
        other[number] = 3
        for tensor, (sizes, _, _), (changed, _, _) in zip(arguments, spec.geometries(usual), spec.geometries(other)):
            for dim, (a, b) in enumerate(zip(sizes, changed)):
                if a != b:
                    self.sizes[id(tensor)][dim] = f"s{number}"

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = super().__torch_function__(func, types, with_sizes(args, hint_of), with_sizes(kwargs, hint_of))
        if type(result) is TUPLE_ITERATOR:  # of Tensor.__iter__
            result = tuple(result)
            self.note(func, args, kwargs, result)
            return iter(result)
        return self.note(func, args, kwargs, result)

    def note(self, func, args, kwargs, result):
        if self.problem is not None:
            return result
        name = attribute_name(func)
        try:
            if name in ("ndim", "dim", "element_size", "itemsize", "ndimension"):
                self.tape.note(func, args, kwargs, result, lambda position: None)
                return result
            if name == "shape" or (name == "size" and len(args) == 1 and not kwargs):
                names = self.sizes.get(id(args[0]))
                if names is not None:
                    return torch.Size(self.named(source, size) for source, size in zip(names, result))
            if name == "size" and len(args) == 2 and type(args[1]) is int and not kwargs:
                names = self.sizes.get(id(args[0]))
                if names is not None:
                    return self.named(names[args[1]], result)
            is_number = type(result) is int
            are_numbers = type(result) in (tuple, torch.Size) and all(type(item) is int for item in result)
            reads = {}

            def name_read(position):
                if not is_number and not are_numbers:
                    return None
                reads[position] = f"r{self.tape.reads}"
                self.tape.reads += 1
                return reads[position]

            self.tape.note(func, args, kwargs, result, name_read)
        except Unlearnable as problem:
            self.problem = str(problem)
            return result
        if is_number:
            return self.named(reads[0], result)
        if are_numbers:
            return type(result)(self.named(reads[i], item) for i, item in enumerate(result))
        return result

    def named(self, source, value):
        return value if source is None else SymbolicSize(self.guards, source, value)


def with_sizes(value, number_of):
    """The value with numbers for the sizes in it."""
    kind = type(value)
    if kind is SymbolicSize:
        return number_of(value)
    if kind in (tuple, list, torch.Size):
        return kind([with_sizes(item, number_of) for item in value])
    if kind is dict:
        return {key: with_sizes(item, number_of) for key, item in value.items()}
    if kind is slice:
        return slice(*(with_sizes(item, number_of) for item in (value.start, value.stop, value.step)))
    return value


def learn(function, args, kwargs, arguments, spec, memory, start):
    """A Lesson, or a text that says why there is none. `memory` and `start`: of the call, which is made once more."""
    eye = LearningEye(arguments, spec)
    values = [eye.named(f"s{i}", second) for i, (_, second) in enumerate(spec.symbols)]
    with start.rewound(), memory.rewound(start):
        substituted = spec.substitute(args, kwargs, values)
        if substituted is None:
            return "a number is in a tuple of its own type"
        args, kwargs, inside = substituted
        before = memory.put(inside)
        learned = once_more(function, args, kwargs, eye, lambda result: memory.outcome(result, before=before))
    return learned if isinstance(learned, str) else Lesson(eye, *learned)


def once_more(function, args, kwargs, eye, outcome_of):
    """(outcome, recording) of a call that is made once more, from where it began; a text when nothing can be learned
    from it. `eye` sees the call and, until it is told to stop, what `outcome_of` does with the result.
    """
    with _C.TraceScope():
        if not _C.start_recording():
            return "another trace is running"
        try:
            with arguments_decide_overrides(), plain_paths(), eye:
                result = function(*args, **kwargs)
            outcome = outcome_of(result)
        except Exception as error:
            return f"the code does not take sizes that vary: {type(error).__name__}: {error}".partition("\n")[0]
        finally:
            recording = _C.stop_recording()
            eye.guards.stop()
    if eye.problem is not None:
        return eye.problem
    if recording.refusal:
        return ": ".join(recording.refusal)
    return REORDERED if outcome is None else (outcome, recording)
