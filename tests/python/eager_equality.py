"""Says whether two runs are the same to a user of PyTorch.

`observe(value)` copies everything a user could see into plain data: values, dtypes, layouts, which objects are the same
object, which tensors share memory and where. `differences(expected, got)` lists what differs between two of those.
"""

import collections
import dataclasses
import math

import numpy
import torch

# Relative tolerance, and absolute tolerance in units of the largest expected magnitude.
TOLERANCE = {
    torch.float64: (1e-9, 1e-10),
    torch.float32: (2e-6, 1e-6),
    torch.bfloat16: (1.6e-2, 2e-3),
    torch.float16: (2e-3, 2e-4),
}
REAL_OF_COMPLEX = {torch.complex128: torch.float64, torch.complex64: torch.float32, torch.complex32: torch.float16}
INTEGER_OF_SIZE = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclasses.dataclass
class Kept:
    """Marks tensors that lived before the call: a version counter must move as eager's does, if the memory was changed.

    Where eager moves one for nothing, or forgets one though it wrote (kron's out=), either will do.
    """

    value: object


@dataclasses.dataclass
class Undefined:
    """Marks a value whose numbers are uninitialised memory: only its layout is compared."""

    value: object


@dataclasses.dataclass
class Raised:
    """An exception as an observed result; the first line of its message is compared."""

    error: BaseException


def attempt(function, *args, **kwargs):
    """The result of a call, or what it raised."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - the exception is the result
        return Raised(error)


class Observer:
    """Turns values into comparable rows (path, what, value); remembers version counters between looks."""

    def __init__(self):
        self.before_call = {}  # id -> (tensor, version, copy of the values)

    def before(self, value):
        """Notes the version counters of the tensors a call is about to receive."""
        for tensor in tensors_in(value):
            self._remember(tensor)
        return self

    def _remember(self, tensor):
        if not tensor.is_inference():
            self.before_call[id(tensor)] = tensor, tensor._version, plain_copy(tensor)

    def observe(self, value):
        self.rows = []
        self.objects = {}  # id -> order of first appearance: the `is` pattern
        self.storages = {}  # storage address -> (order, data address of the first tensor met on it)
        self.alive = []
        self._walk("out", value, defined=True)
        return self.rows

    def _row(self, path, what, value):
        self.rows.append((path, what, value))

    def _identity(self, value):
        self.alive.append(value)
        return self.objects.setdefault(id(value), len(self.objects))

    def _walk(self, path, value, defined):
        if isinstance(value, Kept):
            for tensor in tensors_in(value.value):
                if id(tensor) in self.before_call:
                    _, version, copy = self.before_call[id(tensor)]
                    changed = copy.shape != tensor.shape or not torch.equal(copy, plain_copy(tensor))
                    self._row(path, "version moved", (tensor._version != version, changed))
                self._remember(tensor)
            self._walk(path, value.value, defined)
        elif isinstance(value, Undefined):
            self._walk(path, value.value, defined=False)
        elif isinstance(value, Raised):
            lines = str(value.error).strip().splitlines()
            self._row(path, "exception", (type(value.error).__name__, lines[0] if lines else ""))
        elif isinstance(value, torch.Tensor):
            self._tensor(path, value, defined)
        elif isinstance(value, numpy.ndarray):
            self._row(path, "array", (str(value.dtype), value.shape))
            if value.dtype != object:
                self._row(path, "values", torch.from_numpy(numpy.array(value)))
        else:
            self._python(path, value, defined)

    def _python(self, path, value, defined):
        self._row(path, "type", type(value).__qualname__)
        if isinstance(value, torch.nn.Module):
            self._row(path, "training", value.training)
            for name, tensor in [*value.named_parameters(), *value.named_buffers()]:
                self._walk(f"{path}.{name}", tensor, defined)
        elif isinstance(value, collections.abc.Mapping):
            self._row(path, "is", self._identity(value))
            self._row(path, "keys", [repr(key) for key in value])
            for key, item in value.items():
                self._walk(f"{path}[{key!r}]", item, defined)
        elif isinstance(value, (list, tuple, collections.deque)):
            if not isinstance(value, tuple):
                self._row(path, "is", self._identity(value))
            self._row(path, "length", len(value))
            for index, item in enumerate(value):
                self._walk(f"{path}[{index}]", item, defined)
        elif isinstance(value, float | complex):
            self._row(path, "number", value)
        elif isinstance(value, (set, frozenset)):
            self._row(path, "value", sorted(map(repr, value)))
        elif value is None or isinstance(value, (bool, int, str, bytes, torch.dtype, torch.device, torch.Size)):
            self._row(path, "value", repr(value))
        elif hasattr(value, "__dict__") and not callable(value):
            self._row(path, "is", self._identity(value))
            for name, item in vars(value).items():
                self._walk(f"{path}.{name}", item, defined)

    def _tensor(self, path, tensor, defined):
        kind = type(tensor).__qualname__, str(tensor.dtype), str(tensor.device), str(tensor.layout)
        self._row(path, "tensor", kind)
        self._row(path, "is", self._identity(tensor))
        self._row(path, "size", tuple(tensor.shape))
        self._row(path, "autograd", (tensor.requires_grad, tensor.is_leaf, tensor.is_inference()))
        if tensor.layout is torch.strided and not tensor.is_nested and not tensor.is_quantized:
            self._row(path, "stride", visible_stride(tensor))
            self._row(path, "bits", (tensor.is_conj(), tensor.is_neg()))
            self._row(path, "memory", self._memory(tensor))
        if defined:
            self._row(path, "values", plain_copy(tensor))

    def _memory(self, tensor):
        """Which storage, and how many bytes from the first tensor met on that storage."""
        if tensor.numel() == 0:
            return None
        storage = tensor.untyped_storage().data_ptr()
        order, first = self.storages.setdefault(storage, (len(self.storages), tensor.data_ptr()))
        return order, tensor.data_ptr() - first


def observe(value):
    return Observer().observe(value)


def tensors_in(value):
    """The tensors of nested lists, tuples, dicts and modules, each once."""
    found = {}
    queue = [value]
    while queue:
        item = queue.pop()
        if isinstance(item, torch.Tensor):
            found[id(item)] = item
        elif isinstance(item, torch.nn.Module):
            queue.extend([*item.parameters(), *item.buffers()])
        elif isinstance(item, collections.abc.Mapping):
            queue.extend(item.values())
        elif isinstance(item, (list, tuple)):
            queue.extend(item)
    return list(found.values())


def visible_stride(tensor):
    """Strides of dimensions of size 0 or 1 decide no address, so they are left out."""
    if tensor.numel() == 0:
        return None
    return tuple(stride if size > 1 else None for size, stride in zip(tensor.shape, tensor.stride(), strict=True))


def plain_copy(tensor):
    """A dense copy of the numbers, without subclass, autograd, conjugation or quantisation."""
    with torch.no_grad():
        if type(tensor) is not torch.Tensor:
            tensor = tensor.detach().as_subclass(torch.Tensor)
        if tensor.is_nested:
            tensor = torch.cat([part.reshape(-1) for part in tensor.unbind()])
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        if tensor.layout is not torch.strided:
            tensor = tensor.to_dense()
        return tensor.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)


def differences(expected, got, ulps=None, slack=1):
    """Sentences, empty when the two observations are the same.

    `ulps` replaces the tolerance by a distance in units of the last place; `slack` multiplies it.
    """
    found = []
    for (path, what, want), (got_path, got_what, have) in zip(expected, got, strict=False):
        if (path, what) != (got_path, got_what):
            return [*found, f"{path}: expected {what}, got {got_what} at {got_path}"]
        if what == "values":
            complaint = values_differ(want, have, ulps, slack)
            if complaint:
                found.append(f"{path}: {complaint}")
        elif what == "version moved":
            (moved, changed), (have_moved, _) = want, have
            if moved != have_moved and changed == moved:
                found.append(f"{path}: version counter {'did not move' if moved else 'moved'}")
        elif what == "number":
            if not numbers_close(want, have):
                found.append(f"{path}: expected {want!r}, got {have!r}")
        elif want != have:
            found.append(f"{path} {what}: expected {want}, got {have}")
            if what in ("type", "tensor", "size", "length", "keys"):
                return found
    if len(expected) != len(got):
        found.append(f"expected {len(expected)} facts, got {len(got)}")
    return found


def numbers_close(want, have):
    if type(want) is not type(have):
        return False
    if want != want or have != have:
        return (want != want) and (have != have)
    if isinstance(want, complex):
        return abs(want - have) <= 1e-5 * max(1.0, abs(want))
    return math.isclose(want, have, rel_tol=1e-5, abs_tol=1e-6)


def values_differ(want, have, ulps=None, slack=1):
    """None, or how two copies of equal dtype and size differ."""
    if want.shape != have.shape or want.dtype != have.dtype:
        return f"expected {want.dtype}{tuple(want.shape)}, got {have.dtype}{tuple(have.shape)}"
    if want.is_complex():
        want, have = torch.view_as_real(want), torch.view_as_real(have)
    if torch.equal(want, have) and ulps is None:
        return None
    if not want.is_floating_point():
        return None if torch.equal(want, have) else worst("values differ", want != have, want, have)
    both_nan = want.isnan() & have.isnan()
    if ulps is not None:
        wrong = ~both_nan & ~(ulp_distance(want, have) <= ulps)
    else:
        relative, absolute = TOLERANCE.get(want.dtype, (0.0, 0.0))
        finite = want[want.isfinite()].double()
        scale = max(1.0, finite.abs().max().item()) if finite.numel() else 1.0
        limit = slack * (absolute * scale + relative * want.double().abs())
        same = (want == have) | both_nan
        wrong = ~same & ~((want.double() - have.double()).abs() <= limit)
        wrong |= ~same & ~(want.isfinite() & have.isfinite())
    return worst("values differ", wrong, want, have) if bool(wrong.any()) else None


def ulp_distance(want, have):
    """How many representable numbers lie between; the two zeros are one apart."""
    integer = INTEGER_OF_SIZE[want.element_size()]

    def ordered(tensor):
        bits = tensor.contiguous().view(integer).to(torch.int64)
        return torch.where(bits < 0, torch.iinfo(integer).min - bits - 1, bits)

    return (ordered(want) - ordered(have)).abs()


def worst(reason, wrong, want, have):
    index = tuple(wrong.nonzero()[0].tolist())
    where = f"{int(wrong.sum())} of {wrong.numel()}, first at {list(index)}"
    return f"{reason} in {where}: expected {want[index].item()!r}, got {have[index].item()!r}"


def twin(value, memo=None):
    """A deep copy for the second run that keeps strides, offsets, conjugation and which tensors share memory."""
    memo = {} if memo is None else memo
    if isinstance(value, torch.Tensor):
        if id(value) not in memo:
            memo[id(value)] = twin_tensor(value, memo)
        return memo[id(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(twin(item, memo) for item in value))
    if type(value) in (list, tuple):
        return type(value)(twin(item, memo) for item in value)
    if type(value) is dict:
        return {key: twin(item, memo) for key, item in value.items()}
    if isinstance(value, torch.Generator):
        return value.clone_state()
    return value


def twin_tensor(tensor, memo):
    plain = type(tensor) is torch.Tensor and tensor.layout is torch.strided
    if not plain or tensor.is_quantized or tensor.is_nested:
        return tensor.detach().clone().requires_grad_(tensor.requires_grad)
    if tensor.is_conj():
        return twin_tensor(tensor.detach().conj(), memo).conj()
    if tensor.is_neg():
        return twin_tensor(torch._neg_view(tensor.detach()), memo)._neg_view()
    storage = tensor.untyped_storage()
    key = ("storage", storage._cdata)
    if key not in memo:
        memo[key] = storage.clone()
    with torch.no_grad():
        copy = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        copy.set_(memo[key], tensor.storage_offset(), tensor.size(), tensor.stride())
    return copy.requires_grad_(tensor.requires_grad)
