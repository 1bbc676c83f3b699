"""What the dispatcher cannot see of a traced call: memory handed to other libraries, and attributes of tensors that are set."""

import sys

from torch.overrides import TorchFunctionMode

from braze import _C
from braze.tracing.executed_code import place_of

# Methods and functions by which a tensor's memory or contents leave PyTorch, or by which hidden state is attached to it.
LEAKS = {
    "numpy": "leak",
    "__array__": "leak",
    "tolist": "value_read",
    "data_ptr": "leak",
    "const_data_ptr": "leak",
    "storage": "leak",
    "untyped_storage": "leak",
    "_typed_storage": "leak",
    "__dlpack__": "leak",
    "to_dlpack": "leak",
    "__reduce_ex__": "leak",
    "__reduce__": "leak",
    "__deepcopy__": "leak",
    "__repr__": "value_read",
    "__format__": "value_read",
    "__cuda_array_interface__": "leak",
    "share_memory_": "leak",
    "pin_memory": "leak",
    "is_shared": "leak",
    "is_pinned": "leak",
    "is_set_to": "leak",
    "_use_count": "leak",
    "from_file": "leak",
    "set_": "metadata_mutation",
    "register_hook": "side_effect",
    "register_post_accumulate_grad_hook": "side_effect",
    "requires_grad_": "side_effect",
    "retain_grad": "side_effect",
    "backward": "needs_grad",
    "_make_subclass": "tensor_kind",
    "as_subclass": "tensor_kind",
}

# Attributes of a tensor, by what reading (get) or assigning (set) them means.
READS = {
    "grad_fn": "needs_grad",
    "_grad_fn": "needs_grad",
    "output_nr": "needs_grad",
    "grad_dtype": "needs_grad",
    "_has_grad_dtype_override": "needs_grad",
    "_backward_hooks": "needs_grad",
    "_post_accumulate_grad_hooks": "needs_grad",
    "_version": "side_effect",
    "_cdata": "leak",
    "name": "leak",
    "names": "leak",
    "__array_interface__": "leak",
}
# What a tensor may or may not have: a call that finds it absent holds for tensors that lack it too.
ABSENCES = {
    "grad": (None, _C.Absence.GRADIENT, "needs_grad"),
    "_grad": (None, _C.Absence.GRADIENT, "needs_grad"),
    "_base": (None, _C.Absence.BASE, "leak"),
    "_is_view": (False, _C.Absence.BASE, "leak"),
    "retains_grad": (False, _C.Absence.RETAINED_GRADIENT, "needs_grad"),
}
WRITES = "side_effect"
# What a guard has to hold if code reads it, and only then where nothing is differentiated.
OF_AUTOGRAD = {"requires_grad", "is_leaf", "grad_fn", "_grad_fn"}


class SecondEye(TorchFunctionMode):
    """Refuses the recording when a call does something that the recorder cannot see."""

    def __init__(self):
        super().__init__()
        self.where = None  # the line whose call was the first to be refused

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if _C.inside_operator():  # of an operator written in Python
            return func(*args, **(kwargs or {}))
        name = attribute = getattr(func, "__name__", "")
        if name in ("__get__", "__set__", "__delete__"):
            attribute = getattr(getattr(func, "__self__", None), "__name__", "?")
            if attribute in OF_AUTOGRAD:
                _C.note_autograd_asked()
            reason = READS.get(attribute) if name == "__get__" else WRITES
            if reason and not (is_harmless_read(attribute, args) or sets_own_data(name, attribute, args)):
                _C.refuse_recording(reason, f"Tensor.{attribute}")
        elif name == "storage_offset":
            _C.note_offsets_read()
        elif name in LEAKS and not (name == "__format__" and args[0].dim() == 0):  # that one reads by item()
            _C.refuse_recording(LEAKS[name], f"Tensor.{name}")
        result = func(*args, **(kwargs or {}))
        if attribute in ABSENCES and name != "__set__" and args:
            absent, what, reason = ABSENCES[attribute]
            if result is absent:
                _C.note_absence(args[0], what)
            else:
                _C.refuse_recording(reason, f"Tensor.{attribute}")
        if self.where is None and _C.recording_refused():
            self.where = place_of(sys._getframe(1))
        return result


def is_harmless_read(attribute, args):
    """A tensor outside of autograd has no grad_fn, whenever it is asked."""
    return attribute == "grad_fn" and args and not args[0].requires_grad


def sets_own_data(name, attribute, args):
    """Module.to() gives each parameter its data: those of the parameter itself, where nothing is to be converted."""
    return name == "__set__" and attribute == "data" and args[0] is args[1]
