"""One traced call: the user's Python runs on real values while every eye watches; what comes out is a Trace or a Refusal."""

import random
import sys
import threading

import torch

from braze import _C
from braze.tracing.executed_code import ExecutedCode
from braze.tracing.refusal import Refusal
from braze.tracing.second_eye import SecondEye
from braze.tracing.temporary import Temporary
from braze.tracing.told import Told


class Trace:
    """What one call did: its result, the recording, the code that ran, what it said."""

    def __init__(self, result, recording, executed, told):
        self.result = result
        self.recording = recording
        self.executed = executed
        self.told = told
        self.refusal = None


def trace_call(function, args, kwargs):
    """Runs function(*args, **kwargs) under every eye. Returns a Trace (its refusal set when the call cannot be replayed), or None when
    another trace is running. An exception of the call goes through, after recording has ended.
    """
    generators = generator_states()
    state = _C.TorchState.current()
    modes = torch._C._len_torch_function_stack()
    executed = ExecutedCode()
    eye = SecondEye()
    told = Told(executed)
    overrides, paths = arguments_decide_overrides(), plain_paths()
    try:
        with _C.TraceScope():
            try:
                if not _C.start_recording():
                    return None
                with overrides, paths, told, eye, executed:
                    result = function(*args, **kwargs)
            finally:
                recording = _C.stop_recording()
    except BaseException:
        for temporary in (executed, told, paths, overrides):
            temporary.restore()  # an interrupt may have come while it was doing so
        while torch._C._len_torch_function_stack() > modes:
            torch._C._pop_torch_function_stack()
        raise
    trace = Trace(result, recording, executed, told.calls)
    if recording.refusal and not (recording.refusal[0] == "random" and executed.refusal):
        trace.refusal = Refusal(*recording.refusal, eye.where)
    elif executed.refusal:  # it also says who seeded the generator that the recorder found moved
        trace.refusal = executed.refusal
    elif told.refusal:
        trace.refusal = told.refusal
    elif _C.TorchState.current() != state:
        trace.refusal = Refusal("torch_state", ", ".join(_C.TorchState.current().difference(state)))
    elif not recording.generators_as_recorded() or generators != generator_states():
        trace.refusal = Refusal("random", "a random number generator has moved")
    elif recording.op_count == 0:
        trace.refusal = Refusal("no_work", "")
    return trace


class arguments_decide_overrides(Temporary):
    """The second eye is a function mode, and PyTorch's modules leave their fast paths under one: hide it from them. The
    padded rows of a TransformerEncoder are zero on the fast path only.
    """

    def __init__(self):
        self.asked = torch.overrides.has_torch_function

    def apply(self):
        tracing = threading.get_ident()

        def has_torch_function(arguments):
            if threading.get_ident() != tracing:
                return self.asked(arguments)
            return any(overrides(argument) for argument in arguments)

        torch.overrides.has_torch_function = has_torch_function

    def undo(self):
        torch.overrides.has_torch_function = self.asked


def overrides(value):
    function = getattr(type(value), "__torch_function__", None)
    if type(value) is torch.Tensor or function is None:
        return False
    return function is not torch._C._disabled_torch_function_impl


class plain_paths(Temporary):
    """Switches off what would hide tensors from the recorder: the cache of autocast weights."""

    def __init__(self):
        self.weight_cache = torch.is_autocast_cache_enabled()

    def apply(self):
        torch.set_autocast_cache_enabled(False)
        if self.weight_cache:
            torch.clear_autocast_cache()

    def undo(self):
        torch.set_autocast_cache_enabled(self.weight_cache)


def generator_states():
    """The states of the generators outside PyTorch that code draws from without naming one."""
    states = [random.getstate()]
    if numpy := sys.modules.get("numpy"):
        kind, keys, *rest = numpy.random.get_state()
        states.append((kind, keys.tobytes(), *rest))
    return states
