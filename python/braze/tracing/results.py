"""What a traced call returned: its tensors noted in order and told apart by where a replay gets them from, and the
integers that follow from sizes.
"""

from braze.tracing.symbolic_size import SymbolicSize


def collector(results):
    """Notes each tensor of a result, in order."""

    def collect(tensor):
        results.append(tensor)
        return "output", len(results) - 1

    return collect


def classifier(results, outputs):
    """For each tensor of a result: an output of the program, or an input itself."""
    place = {
        id(tensor): (kind, slot if kind == "input" else i)
        for i, (tensor, (kind, slot)) in enumerate(zip(results, outputs))
    }
    return lambda tensor: place[id(tensor)]


def integers_of(sources):
    """Notes the expression of each integer of a learning run that is met in its results."""

    def integer_of(value):
        if type(value) is not SymbolicSize:
            return None
        sources.append(value._source)
        return value._hint

    return integer_of


def described(effects):
    return effects.describe() if effects else ""
