"""braze.explain: everything known about a compiled callable, readable in a terminal and in a notebook."""

import dataclasses
import html

import torch

from braze import _C, machine
from braze.errors import UserError
from braze.report import FunctionReport, KernelReport, Obstacle, RefusalReport

MEANINGS = {reason: meaning for reason, meaning, _ in _C.fallback_reasons}
ADVICE = {reason: advice for reason, _, advice in _C.fallback_reasons}
LEAST_MICROSECONDS = 5  # of a launch whose share of the limit means something
SHOWN = 4  # of a long list, in text; the page and the report have all


def explain(target):
    """What braze made of `target`: its entries with their kernels, guards and times, and why other calls ran eagerly.

    >>> import braze, torch
    >>> double = braze.compile(lambda x: x * 2)
    >>> for _ in range(4):
    ...     _ = double(torch.ones(1000, 1000))
    >>> explanation = braze.explain(double)
    >>> len(explanation.report.entries)
    1
    """
    if isinstance(target, torch.nn.Module):
        return Explanation(report_of_module(target))
    if isinstance(target, _C.Callable):
        return Explanation(target.handler.report())
    if isinstance(getattr(target, "__func__", None), _C.Callable):
        return Explanation(target.__func__.handler.report())
    raise UserError(
        f"braze.explain: {type(target).__name__} object is not compiled; it takes what braze.compile returned"
    )


def report_of_module(module):
    """The module's own report, with those of its children that are compiled on their own."""
    found = {
        name: child._compiled_call_impl.handler.report()
        for name, child in module.named_modules()
        if isinstance(child._compiled_call_impl, _C.Callable)
    }
    own = found.pop("", None)
    if own is None and not found:
        raise UserError(f"braze.explain: {type(module).__name__} is not compiled, and none of its children is")
    children = tuple(dataclasses.replace(report, name=f"{name}: {report.name}") for name, report in found.items())
    if own is None:
        own = FunctionReport(name=type(module).__name__)
    return dataclasses.replace(own, children=own.children + children)


class Explanation:
    """A report that prints: `report` holds the values, repr() the text, and notebooks show a page."""

    def __init__(self, report):
        self.report = report

    @property
    def why_not_compiled(self):
        """What stands in the way of compiling the calls that run eagerly, a braze.report.Obstacle each, which prints as
        a line. Empty when all kinds of calls seen so far are compiled.

        >>> import braze, torch
        >>> first = braze.compile(lambda x: x.tolist()[0])
        >>> for _ in range(4):
        ...     _ = first(torch.ones(2))
        >>> braze.explain(first).why_not_compiled[0].reason
        'value_read'
        """
        return list(obstacles(self.report))

    def __repr__(self):
        return "\n".join(text_lines(self.report))

    def _repr_html_(self):
        return "".join(html_parts(self.report))


def obstacles(report):
    """Those of a function and of the children that are compiled on their own."""
    standing = [refusal for refusal in report.refusals if refusal.is_final]
    standing += [RefusalReport("slower", entry.inputs) for entry in report.entries if entry.state == "slower"]
    if not standing and not report.entries:
        standing = report.refusals or (() if report.children else [RefusalReport("not_yet")])
    for refusal in standing:
        yield obstacle_of(report.name, refusal)
    for child in report.children:
        yield from obstacles(child)


def obstacle_of(function, refusal):
    reason = refusal.reason
    return Obstacle(function, reason, MEANINGS[reason], refusal.detail, refusal.place, ADVICE[reason])


def text_lines(report, indent=""):
    yield indent + headline(report)
    if compiling := compile_line(report):
        yield indent + "  " + compiling
    for number, entry in enumerate(report.entries, 1):
        yield f"{indent}  entry {number} ({entry.state}): {entry.inputs}"
        if speed := speed_line(entry):
            yield f"{indent}    {speed}"
        for row in align(kernel_rows(entry)):
            yield f"{indent}    {row}"
        for fact in entry_facts(entry):
            yield f"{indent}    {fact}"
    for refusal in report.refusals:
        yield indent + "  " + refusal_line(refusal)
    if report.static_sizes:
        yield f"{indent}  each size has its own entry: {'; '.join(cut(report.static_sizes))}"
    for child in report.children:
        yield from text_lines(child, indent + "  ")


def html_parts(report):
    yield f"<details open><summary><b>{html.escape(headline(report))}</b></summary>"
    yield f"<div style='margin-left:1.5em'><p>{html.escape(compile_line(report))}</p>"
    for number, entry in enumerate(report.entries, 1):
        yield f"<p><b>entry {number}</b> ({html.escape(entry.state)}): <code>{html.escape(entry.inputs)}</code><br>"
        yield f"{html.escape(speed_line(entry))}</p><table>"
        for position, row in enumerate(kernel_rows(entry)):
            tag = "td" if position else "th"
            cells = "".join(f"<{tag} style='text-align:left'>{html.escape(cell)}</{tag}>" for cell in row)
            yield f"<tr>{cells}</tr>"
        yield f"</table><p>{html.escape('; '.join(filter(None, (entry.layout, entry.freezing))))}</p>"
        for name, items in (
            ("sizes", [entry.sizes, *entry.path] if entry.sizes else ()),
            ("captured tensors", entry.captured),
            ("guards", entry.guards.splitlines()),
        ):
            if items:
                lines = html.escape("\n".join(items))
                yield f"<details><summary>{name} ({len(items)})</summary><pre>{lines}</pre></details>"
    if report.refusals:
        yield "<ul>" + "".join(f"<li>{html.escape(refusal_line(item))}</li>" for item in report.refusals) + "</ul>"
    for child in report.children:
        yield from html_parts(child)
    yield "</div></details>"


def headline(report):
    counts = [count(len(report.entries), "entry", "entries")]
    refused = sum(refusal.count for refusal in report.refusals)
    if refused:
        counts.append(count(refused, "refusal", "refusals"))
    if report.calls:
        counts.append(f"{count(report.calls, 'call', 'calls')}, {report.compiled_calls} of them compiled")
    return f"{report.name}: {', '.join(counts)}"


def compile_line(report):
    if not report.stages:
        return ""
    stages = ", ".join(f"{stage.name} {stage.milliseconds:.1f}" for stage in report.stages)
    return (
        f"compiled in {report.compile_milliseconds:.1f} ms ({stages}); kernels: {report.kernels_compiled} compiled, "
        f"{report.kernels_from_memory} from memory, {report.kernels_from_disk} from disk"
    )


def speed_line(entry):
    parts = [count(entry.hits, "hit", "hits")]
    if entry.compiled_microseconds is not None:
        parts.append(f"{entry.compiled_microseconds:.1f} us compiled")
    if entry.eager_microseconds is not None:
        parts.append(f"{entry.eager_microseconds:.1f} us eager")
    if entry.compiled_microseconds and entry.eager_microseconds:
        parts.append(f"{entry.eager_microseconds / entry.compiled_microseconds:.2f}x")
    return ", ".join(parts)


def kernel_rows(entry):
    """A heading row, then a row a kernel and a row an operator left to PyTorch; nothing when there is neither.

    "limit" is the share of the time that this machine would need at least, see braze.machine.
    """
    rows = [["kernel", "launches", "us", "limit", "shape", "computes"]]
    for kernel in entry.kernels:
        rows.append([kernel.name, str(kernel.launches), *costs(kernel), kernel.shape, ", ".join(kernel.ops)])
    for extern in entry.externs:
        rows.append(["PyTorch", str(extern.calls), *costs(extern), "", extern.op])
    return rows if len(rows) > 1 else []


def costs(row):
    """The cells "us" and "limit"."""
    if row.microseconds is None:
        return "", ""
    count = row.launches if isinstance(row, KernelReport) else row.calls
    worth_it = row.bytes > 0 and row.microseconds > LEAST_MICROSECONDS * count
    least = count * machine.least_microseconds(row.bytes / count, row.flops / count) if worth_it else 0
    return f"{row.microseconds:.1f}", f"{least / row.microseconds:.0%}" if least else ""


def entry_facts(entry):
    """Lines on what the entry reads and relies on; long lists are cut."""
    guards = entry.guards.splitlines()
    yield from filter(None, (entry.layout, entry.freezing))
    if entry.sizes:
        yield f"for sizes {entry.sizes}" + (f", where {'; '.join(cut(entry.path))}" if entry.path else "")
    if entry.captured:
        yield f"captured tensors ({len(entry.captured)}): {', '.join(cut(entry.captured))}"
    if guards:
        yield f"guards ({len(guards)}): {'; '.join(cut(guards))}"


def cut(items):
    return [*items[:SHOWN], "..."] if len(items) > SHOWN else items


def refusal_line(refusal):
    place = f" at {refusal.place}" if refusal.place else ""
    detail = f" ({refusal.detail})" if refusal.detail else ""
    meaning = f": {MEANINGS[refusal.reason]}" if refusal.reason in MEANINGS else ""
    return f"refused {count(refusal.count, 'time', 'times')}, {refusal.reason}{meaning}{detail}{place}"


def count(number, one, many):
    return f"{number} {one if number == 1 else many}"


def align(rows):
    """Rows of cells as lines with their columns below one another."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
