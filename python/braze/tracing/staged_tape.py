"""The tape of a call whose sizes follow values: the PyTorch functions it ran, with every size as a number that a later
run reads for itself, and what Python asked about such numbers in between.

It differs from the tape of a shape function (tape.py) in what it is for. That one runs on made-up tensors to learn
sizes; this one runs on the caller's, in place of the user's code, so nothing has to be foreseen: a size is what the
operators make of it. What has to hold is that Python would take the same way, and these are the questions kept here.
"""

import re

import torch

from braze import _C
from braze.tracing.learning import TUPLE_ITERATOR, once_more, with_sizes
from braze.tracing.second_eye import SecondEye
from braze.tracing.symbolic_size import PathGuards, SymbolicSize, hint_of, plain
from braze.tracing.tape import Tape, Unlearnable, attribute_name, collect_sources, leaves
from braze.tracing.trusted import words

READ_NAME = re.compile(r"\br\d+\b")

# What a tensor says of itself that follows from the functions that made it, whatever the sizes: with the rank of what
# squeeze gives, which is checked.
FIXED = words(
    """
    dtype device layout ndim dim ndimension element_size itemsize is_floating_point is_complex is_signed requires_grad
    is_cuda is_cpu is_mps is_xpu is_xla is_meta is_mtia is_ipu is_maia is_vulkan is_sparse is_sparse_csr is_quantized
    is_mkldnn is_nested is_inference is_leaf is_conj is_neg get_device names type
    """
)
# A tensor's sizes are read where they are needed, which is later than where Python read them.
RESHAPES_IN_PLACE = words(
    """
    t_ transpose_ swapaxes_ swapdims_ squeeze_ unsqueeze_ as_strided_ resize_ resize_as_ rename_ detach_ set_
    """
)


# Functions that give the very tensor they got when sizes and strides allow it.
MAY_GIVE_WHAT_THEY_GET = frozenset({"contiguous", "to"})
# Python takes nothing but a plain number from these, so that what they give has to be the same again.
PLAIN_NUMBERS = frozenset({"__int__", "__index__"})
MOST_PLAIN_NUMBERS = 32  # more of them are hardly the same twice


class Step:
    """A PyTorch function that the call ran. `answers`: the leaves of its result, each a Slot, the name of a read or
    (value,); `is_same`: for each, whether it was a tensor that was there before.
    """

    def __init__(self, taped, is_same, is_sequence, is_flat):
        self.function = taped.function
        self.args, self.kwargs = taped.args, taped.kwargs
        self.answers = taped.answers
        self.is_same = is_same
        self.is_sequence = is_sequence  # the result is a tuple or list
        self.is_flat = is_flat  # its leaves are its items, or itself
        self.is_read = False  # it only says what sizes and strides are
        self.is_cut = False  # values of tensors decide about more than values
        self.works = False  # it computes something

    @property
    def reads(self):
        return [answer for answer in self.answers if type(answer) is str]


class Question:
    """What Python asked about numbers: a condition that has to be as it was."""

    def __init__(self, condition, outcome):
        self.source = condition if outcome else f"not {condition}"
        self.reads = set(READ_NAME.findall(condition))


class PlacedGuards(PathGuards):
    """Path guards that know between which steps they were asked."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def holds(self, condition, outcome):
        if self.learning and condition not in self.outcomes:
            self.steps.append(Question(condition, outcome))
        return super().holds(condition, outcome)


class StagingEye(SecondEye):
    """Writes the tape: Steps and Questions in order."""

    def __init__(self, arguments):
        super().__init__()
        self.tape = Tape(arguments)
        self.steps = []
        self.guards = PlacedGuards(self.steps)
        self.values = set()  # the reads that are values of tensors, not sizes
        self.problem = None
        self.state = None
        self.plain_numbers = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if _C.inside_operator():
            return func(*args, **kwargs)
        before, grad = _C.recorded_so_far(), torch.is_grad_enabled()
        result = super().__torch_function__(func, types, with_sizes(args, hint_of), with_sizes(kwargs, hint_of))
        is_iterator = type(result) is TUPLE_ITERATOR  # of Tensor.__iter__
        if is_iterator:
            result = tuple(result)
        if self.problem is None and self.guards.learning:
            try:
                result = self.note(func, args, kwargs, result, before, grad)
            except Unlearnable as problem:
                self.problem = str(problem)
        return iter(result) if is_iterator else result

    def note(self, func, args, kwargs, result, before, grad):
        name = attribute_name(func)
        ops, value_dependent = (b - a for a, b in zip(before, _C.recorded_so_far()))
        if name == "_set_grad_enabled":
            if torch.is_grad_enabled() != grad:
                self.add(func, args, kwargs, result, lambda position: None).is_cut = True
            return result
        self.check_state()
        found = leaves(result)
        tensors = [leaf for leaf in found if isinstance(leaf, torch.Tensor)]
        if not tensors and not ops and (name in FIXED or self.has_fixed_arguments(args, kwargs)):
            return result
        if name in RESHAPES_IN_PLACE:
            raise Unlearnable(f"{name} changes the shape of a tensor in place")
        if value_dependent and not tensors and any(isinstance(leaf, (float, complex)) for leaf in found):
            raise Unlearnable(f"Python reads a number by {name}")
        names = {}

        def name_read(position):
            names[position] = f"r{self.tape.reads}"
            self.tape.reads += 1
            return names[position]

        step = self.add(func, args, kwargs, result, name_read)
        step.is_cut = bool(value_dependent) or not self.values.isdisjoint(reads_in((step.args, step.kwargs)))
        step.is_read = not tensors and not ops and not step.is_cut
        step.works = bool(ops) and not (step.is_flat and all(map(is_view, tensors)) and not any(step.is_same))
        if step.is_cut:
            self.values.update(names.values())
        if step.is_cut or name.startswith("squeeze"):
            for tensor in tensors:
                self.check_rank(tensor)
        result = self.with_names(result, names)
        if name in PLAIN_NUMBERS and type(result) is SymbolicSize:
            self.plain_numbers += 1
            if self.plain_numbers > MOST_PLAIN_NUMBERS:
                raise Unlearnable(f"Python reads many numbers by {name}")
            return result._plain()
        return result

    def add(self, func, args, kwargs, result, name_read):
        found = leaves(result)
        is_same = [isinstance(leaf, torch.Tensor) and id(leaf) in self.tape.slots for leaf in found]
        passed = {id(leaf) for leaf in all_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        is_same = [known or id(leaf) in passed for leaf, known in zip(found, is_same)]
        self.tape.note(func, args, kwargs, result, name_read)
        is_sequence = isinstance(result, (tuple, list))
        is_flat = not is_sequence or not any(isinstance(item, (tuple, list)) for item in result)
        self.steps.append(Step(self.tape.calls.pop(), is_same, is_sequence, is_flat))
        return self.steps[-1]

    def check_rank(self, tensor):
        """The number of dims has to be the same again."""
        name = f"r{self.tape.reads}"
        self.tape.reads += 1
        self.add(torch.Tensor.dim, (tensor,), {}, tensor.dim(), lambda position: name).is_read = True
        self.guards.holds(f"({name} == {tensor.dim()})", True)

    def with_names(self, result, names):
        """The result with integers that remember which read they are."""
        if not names:
            return result
        if type(result) is int:
            return SymbolicSize(self.guards, names[0], result)
        if type(result) in (tuple, torch.Size) and len(names) == len(result):
            return type(result)(SymbolicSize(self.guards, names[i], item) for i, item in enumerate(result))
        raise Unlearnable("integers among other results")

    def has_fixed_arguments(self, args, kwargs):
        """Nothing but constants, and tensors that were there before the call: those are guarded to be as they are."""
        return all(
            self.is_constant(leaf) if isinstance(leaf, torch.Tensor) else type(leaf) is not SymbolicSize
            for leaf in all_leaves((args, kwargs))
        )

    def is_constant(self, tensor):
        slot = self.tape.slots.get(id(tensor))
        return slot is None or slot.index in self.tape.constants

    def check_state(self):
        state = _C.TorchState.current()
        if self.state is None:
            self.state = state
        elif state != self.state and (changed := set(state.difference(self.state)) - {"grad mode"}):
            raise Unlearnable(f"the call changes PyTorch's state: {', '.join(changed)}")


def is_view(tensor):
    return tensor._is_view()


def all_leaves(value):
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in all_leaves(item)]
    return [value]


def reads_in(template):
    """The names of the reads that a template's expressions use."""
    sources = set()
    collect_sources(template, sources)
    return {name for source in sources for name in READ_NAME.findall(source)}


class StagedLesson:
    """What a run taught: its steps, what it came to, its recording."""

    def __init__(self, eye, outcome, recording):
        self.steps = eye.steps
        self.values = eye.values
        self.tape = eye.tape
        self.outcome = outcome
        self.recording = recording


def learn_steps(function, args, kwargs, arguments, memory, start):
    """A StagedLesson of the call, made once more from where it began; or a text that says why there is none."""
    eye = StagingEye(arguments)

    def outcome_of(result):
        """Its sizes are numbers, which they are guarded to be."""
        outcome = memory.outcome(result)
        return outcome and (with_sizes(outcome[0], plain), outcome[1])

    with start.rewound(), memory.rewound(start):
        learned = once_more(function, args, kwargs, eye, outcome_of)
    return learned if isinstance(learned, str) else StagedLesson(eye, *learned)
