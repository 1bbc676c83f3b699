"""What became of a compiled callable, read from `braze.explain`: kernels, only views, extern ops, refused, or nothing."""

import braze

COMPILED, VIEW, EXTERN, REFUSED, EAGER = "compiled", "view", "extern", "refused", "eager"


def outcome(compiled):
    entries = all_entries(braze.explain(compiled).report)
    if any(entry.kernels for entry in entries):
        return COMPILED
    if entries:
        return EXTERN if any(entry.externs for entry in entries) else VIEW
    return REFUSED if braze.explain(compiled).report.refusals else EAGER


def all_entries(report):
    """The entries of a callable and of the child modules that were tried on their own."""
    found = list(report.entries)
    for child in getattr(report, "children", ()):
        found.extend(all_entries(child))
    return found


def reasons(compiled):
    """The refusals as one line of text each."""
    return [f"{refusal.reason}: {refusal.detail}" for refusal in braze.explain(compiled).report.refusals]


def faults(compiled):
    """Refusals that are bugs of ours: the call was answered eagerly, but something behind it went wrong. Numbers that
    compiled code leaves to eager are none where they were chosen for that.
    """
    return [reason for reason in reasons(compiled) if reason.startswith(("internal:", "proof:", "declined:"))]
