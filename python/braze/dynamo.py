"""torch.compile(backend="braze"): Dynamo captures the Python, braze compiles the FX graphs it hands over.

An FX graph is run like any other callable: its operators are recorded through the dispatcher, so both ways in lead to
the same graph, kernels and caches. Dynamo's guards stand in front; what it splits or specialises arrives here split.
"""

from braze.compile import compiled_callable
from braze.errors import UserError
from braze.options import call_options


def compile_fx_graph(graph_module, example_inputs, *, options=None, mode=None):
    """The backend function behind the name "braze".

    >>> import torch
    >>> gate = torch.compile(lambda x: x * torch.sigmoid(x), backend="braze", options={"numerics": "fast"})
    >>> gate(torch.zeros(2))
    tensor([0., 0.])
    """
    if mode is not None:
        raise UserError(
            f"torch.compile with braze takes no mode (mode={mode!r} came); give its options as options={{...}}"
        )
    return compiled_callable(graph_module.forward, call_options(options or {}), "fx graph")
