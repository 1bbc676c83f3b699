"""The tensors of a traced result: noted in order, and told apart by where a replay gets them from."""


def collector(results):
    """Notes each tensor of a result, in order. Where they come from is told later, so any may be an input."""

    def collect(tensor):
        results.append(tensor)
        return "input", len(results) - 1

    return collect


def classifier(results, outputs):
    """For each tensor of a result: an output of the program, or an input itself."""
    place = {
        id(tensor): (kind, slot if kind == "input" else i)
        for i, (tensor, (kind, slot)) in enumerate(zip(results, outputs))
    }
    return lambda tensor: place[id(tensor)]
