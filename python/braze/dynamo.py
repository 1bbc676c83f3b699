"""torch.compile(backend="braze"): Dynamo captures the Python, braze compiles the FX graphs it hands over.

An FX graph is run like any other callable and its operators are recorded through the dispatcher, so both ways in lead
to the same graph, kernels and caches. Dynamo's guards stand in front; what it splits or specialises arrives here split.
Graphs that need gradients run eagerly.
"""

from braze import _C
from braze.errors import UserError
from braze.options import call_options
from braze.tracing.python_state import PythonState
from braze.tracing.session import Session


def compile_fx_graph(graph_module, example_inputs, *, options=None, mode=None):
    """The backend function behind the name "braze".

    >>> import torch
    >>> gate = torch.compile(lambda x: x * torch.sigmoid(x), backend="braze", options={"numerics": "fast"})
    >>> gate(torch.zeros(2))
    tensor([0., 0.])
    """
    if mode is not None:
        raise UserError(
            f"torch.compile with braze takes no mode (mode={mode!r} came); "
            "give braze.compile's options as options={...}"
        )
    return compiled_graph(graph_module, call_options(options or {}))


def compiled_graph(graph_module, options):
    _ = graph_module.code  # a lazy graph module writes its Python now, not while it is traced
    return _C.Callable(graph_module.forward, GraphSession(graph_module, options))


class GraphSession(Session):
    """As Session, for code that is known to read only its inputs and the tensors the graph module holds."""

    def __init__(self, graph_module, options):
        super().__init__(graph_module.forward, options, "fx graph", attributes_matter=False)
        self.graph_module = graph_module

    def state_of(self, executed, spec, call):
        return GraphState(self.graph_module, call.arguments)


class GraphState(PythonState):
    """The tensors an FX graph reads besides its inputs. The rest of the Python state is Dynamo's to guard."""

    def __init__(self, graph_module, arguments):
        super().__init__()
        self.tensors = [*graph_module.named_parameters(), *graph_module.named_buffers(), *constants_of(graph_module)]
        self.paths = {id(tensor): path for path, tensor in self.tensors}
        self.guards.add_alias_links(arguments, [tensor for _, tensor in self.tensors])

    def replaced(self):
        return []

    def changed_caches(self):
        return []

    def path_of(self, tensor):
        return self.paths[id(tensor)]


def constants_of(graph_module):
    """(name, tensor) of the tensors that are plain attributes, which named_parameters and named_buffers leave out."""
    import torch

    for prefix, module in graph_module.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                yield f"{prefix}.{name}" if prefix else name, value
