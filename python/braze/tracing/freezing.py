"""The choice between a program as it was captured and one that keeps its weights folded and packed."""

from braze import _C

# Weights that change this often, each time before so many calls have used them, are being trained: packing them anew
# costs more than it gives.
MOST_CHANGES = 3
FEW_CALLS = 100
NOT_FASTER = "not frozen: it was not faster"


class Frozen:
    """What freezing made of a program: the code, what guards it, and what it did."""

    def __init__(self, compiled, guards, record):
        self.compiled = compiled
        self.guards = guards
        self.record = record

    def describe(self):
        did = self.record
        parts = [
            text
            for number, text in (
                (did["convolutions"], f"{did['convolutions']} weights of convolutions packed"),
                (did["products"], f"{did['products']} convolutions made products"),
                (did["own_convolutions"], f"{did['own_convolutions']} convolutions made kernels"),
                (did["linears"], f"{did['linears']} weights of linear layers packed"),
                (did["transposed"], f"{did['transposed']} weights transposed"),
                (did["folded"], f"{did['folded']} constants folded"),
            )
            if number
        ]
        size = f"{did['bytes'] / 2**20:.1f} MB kept beside the weights"
        return f"frozen: {', '.join(parts)}; {size}; {len(self.guards)} tensors checked at every call"


def frozen(program, inputs, options):
    """The program with its weights put to use, compiled; None when it has none."""
    made = _C.freeze_program(program, inputs, options)
    if made is None:
        return None
    return Frozen(_C.compile_program(made.program, options), made.guards, made.record)


def would_apply(program, inputs):
    """A line on what freeze=True would look at; empty when there is nothing."""
    linears, convolutions = _C.count_freezable(program, inputs)
    parts = [f"{linears} linear layers"] * bool(linears) + [f"{convolutions} convolutions"] * bool(convolutions)
    return f"freeze=True would look at the weights of {' and '.join(parts)}" if parts else ""
