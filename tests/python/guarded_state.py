"""Takes the state snapshot of one call, for the guard tests."""

from braze import _C
from braze.tracing.executed_code import ExecutedCode
from braze.tracing.reachable import snapshot


def state_of(function, *args, **kwargs):
    """The snapshot of function(*args, **kwargs), taken after the call, as after the first traced call."""
    executed = ExecutedCode()
    spec = _C.ArgumentSpec.build(args, kwargs)
    with executed:
        function(*args, **kwargs)
    assert executed.refusal is None, executed.refusal
    state = snapshot(function, executed, spec.objects, spec.tensors(args, kwargs))
    assert state.refusal is None, state.refusal
    assert state.guards.check(), state.changed()
    return state


def refusal_of(function, *args, **kwargs):
    """The refusal of function(*args, **kwargs), by what ran or by what is reachable; None when there is none."""
    executed = ExecutedCode()
    spec = _C.ArgumentSpec.build(args, kwargs)
    with executed:
        function(*args, **kwargs)
    return executed.refusal or snapshot(function, executed, spec.objects, spec.tensors(args, kwargs)).refusal
