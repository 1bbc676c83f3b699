"""The proof step: a compiled entry is run beside the confirming call and must agree with it."""

import contextlib
import copy

import torch

from braze.tracing.generator_states import GeneratorStates

# Largest difference allowed, relative to the largest magnitude of the eager result. Reductions may add up in another order and
# transcendental functions differ in the last bits; anything coarser is a wrong kernel.
TOLERANCE = {
    torch.float64: 1e-9,
    torch.float32: 2e-4,
    torch.bfloat16: 6e-2,
    torch.float16: 1e-2,
    torch.complex32: 1e-2,
    torch.complex64: 2e-4,
    torch.complex128: 1e-9,
}


DECLINED = "the compiled call asked for eager"  # by a value guard or an index that the eager call refuses


class CallStart:
    """What a call began with, for a program to begin with it again: its input tensors and the states of the random
    number generators that the program moves.

    `inputs` are the call's own tensors; `tensors` are the same where nothing is written, so nothing big is copied in
    vain; those that the program writes stand on copies of their memory.
    """

    def __init__(self, inputs, written_slots, drawn):
        written = {inputs[slot].untyped_storage().data_ptr() for slot in written_slots}
        copies = {}
        self.written = []  # (tensor, its copy), one for each storage
        self.inputs = inputs
        self.versions = [version_of(tensor) for tensor in inputs]
        self.tensors = []
        self.generators = GeneratorStates(drawn)
        with torch.no_grad():
            for tensor in inputs:
                address = tensor.untyped_storage().data_ptr()
                if address not in written:
                    self.tensors.append(tensor)
                    continue
                is_new = address not in copies
                if is_new:
                    copies[address] = tensor.untyped_storage().clone()
                view = torch.empty(0, dtype=tensor.dtype)
                view.set_(copies[address], tensor.storage_offset(), tensor.size(), tensor.stride())
                self.tensors.append(view)
                if is_new:
                    self.written.append((tensor, view))

    @classmethod
    def of_any(cls, arguments, known_calls):
        """The start of a call that may do what one of these did."""
        inputs, written, drawn = list(arguments), set(), []
        for known in known_calls:
            slots = [*range(len(arguments)), *range(len(inputs), len(inputs) + len(known.tensors()))]
            inputs += known.tensors()
            written |= {slots[slot] for slot in known.program.mutated_slots}
            drawn += [generator for generator in known.program.drawn if generator not in drawn]
        return cls(inputs, written, drawn)

    def narrowed(self, arguments, captured, program):
        """The start of a call that did this, or None when it writes or draws from what was not seen to."""
        start = copy.copy(self)
        places = {id(tensor): i for i, tensor in enumerate(self.inputs)}
        start.inputs = [*arguments, *captured]
        start.tensors = [self.tensors[places[id(t)]] if id(t) in places else t for t in start.inputs]
        start.versions = [self.versions[places[id(t)]] if id(t) in places else version_of(t) for t in start.inputs]
        if any(start.tensors[slot] is start.inputs[slot] for slot in program.mutated_slots):
            return None
        if any(generator not in self.generators.generators for generator in program.drawn):
            return None
        return start

    def version_moves(self):
        """By how much the version counter of each input has moved since."""
        return [version_of(tensor) - version for tensor, version in zip(self.inputs, self.versions)]

    def twin(self, program):
        """The same start on memory of its own, made before anything ran on this one."""
        twin = CallStart(self.tensors, program.mutated_slots, program.drawn)
        twin.inputs, twin.versions, twin.generators = self.inputs, self.versions, self.generators
        return twin

    def begin_again(self):
        """Puts the generators back; returns the GeneratorStates where they were."""
        ends = GeneratorStates(self.generators.generators)
        self.generators.put_back()
        return ends

    @contextlib.contextmanager
    def rewound(self):
        """Inside, the generators are as before the call; afterwards as they were on entering. Yields a function that
        says whether by now they are where the call left them.
        """
        after = self.begin_again()
        try:
            yield after.hold
        finally:
            after.put_back()


def version_of(tensor):
    return 0 if tensor.is_inference() else tensor._version


def disproves(compiled, program, start, results):
    """Says how the compiled program, begun where the call began, ends otherwise than the call did."""
    with start.rewound() as as_the_call_left_them:
        outputs = compiled.run(start.tensors)
        if outputs is None:
            return DECLINED
        if not as_the_call_left_them():
            return "a random number generator ends in another state"
    return differs(outputs, program, start, results)


def differs(outputs, program, start, results):
    """Says how the tensors that a program made, and left behind where it began, are not the call's."""
    if len(outputs) != len(results):
        return f"{len(outputs)} tensors instead of {len(results)}"
    for i, (output, result) in enumerate(zip(outputs, results)):
        if output is not None and (problem := disagreement(output, result, f"result {i}")):
            return problem
    for slot in program.mutated_slots:
        if problem := disagreement(start.tensors[slot], start.inputs[slot], f"input {slot} after the call"):
            return problem
    return None


def disagreement(compiled, expected, what):
    """Says how two tensors differ; None when they agree."""
    if compiled.dtype != expected.dtype or compiled.shape != expected.shape or compiled.stride() != expected.stride():
        return f"{what}: {kind(compiled)} instead of {kind(expected)}"
    if compiled.numel() == 0 or compiled.device.type == "meta":
        return None
    tolerance = TOLERANCE.get(expected.dtype)
    if tolerance is None:
        return None if torch.equal(compiled, expected) else f"{what}: {expected.dtype} values differ"
    wide = torch.complex128 if expected.dtype.is_complex else torch.float64
    actual, wanted = compiled.to(wide), expected.to(wide)
    finite = torch.isfinite(wanted)
    if not bool(torch.equal(torch.isfinite(actual), finite)):
        return f"{what}: infinities or NaNs in other places"
    strange = ~finite
    if bool(strange.any()):
        same = (actual == wanted) | (torch.isnan(actual) & torch.isnan(wanted))
        if not bool(same[strange].all()):
            return f"{what}: infinities or NaNs of another kind"
        actual, wanted = actual[finite], wanted[finite]
        if actual.numel() == 0:
            return None
    largest = float(wanted.abs().max())
    error = float((actual - wanted).abs().max())
    if error > tolerance * largest + tolerance * 1e-3:
        return f"{what}: largest error {error:.3g} where values reach {largest:.3g}"
    return None


def kind(tensor):
    return f"{tensor.dtype} {tuple(tensor.shape)} strides {tuple(tensor.stride())}"
