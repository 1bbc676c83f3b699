"""What became of a compiled callable, read from `braze.explain`: kernels, extern ops only, refused, or nothing yet."""

import braze

COMPILED, EXTERN, REFUSED, EAGER = "compiled", "extern", "refused", "eager"


def outcome(compiled):
    explanation = braze.explain(compiled)
    if explanation.entries:
        return COMPILED if any(len(getattr(entry, "kernels", ())) for entry in explanation.entries) else EXTERN
    return REFUSED if explanation.refusals else EAGER


def reasons(compiled):
    """The refusals as one line of text each."""
    return [f"{refusal.reason}: {refusal.detail}" for refusal in braze.explain(compiled).refusals]
