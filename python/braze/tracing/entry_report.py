"""What braze.explain shows of one entry, read from the compiled program and what was measured when it was proved; and of
a refusal.
"""

from braze.report import EntryReport, ExternReport, KernelReport, RefusalReport


def entry_report(published):
    entry = published.entry
    kernels, externs = [], []
    for compiled in programs_of(published.compiled):
        steps = Steps(compiled, published.step_microseconds)
        kernels += steps.kernels()
        externs += steps.externs()
    return EntryReport(
        inputs=", ".join(entry.describe_arguments()),
        kernels=tuple(kernels),
        externs=tuple(externs),
        guards="\n".join(entry.describe_guards()),
        captured=tuple(published.paths),
        hits=entry.compiled_calls,
        compiled_microseconds=entry.compiled_microseconds,
        eager_microseconds=entry.eager_microseconds,
        state=entry.state,
        layout=published.form.layout,
        freezing=published.form.freezing,
        path=tuple(published.shapes.in_words()) if published.shapes else (),
        sizes=published.shapes.range_in_words() if published.shapes else "",
    )


def refusal_report(reason, detail, where, count, is_final):
    file, _, line = (where or "").rpartition(":")
    return RefusalReport(reason, detail, file, int(line) if line.isdigit() else 0, count, is_final)


def programs_of(compiled):
    """The program itself, or those of its stages."""
    return getattr(compiled, "compiled_stages", [compiled])


class Steps:
    """The launch list of a program. `times`: microseconds of each, or nothing."""

    def __init__(self, compiled, times):
        self.compiled = compiled
        self.work = compiled.work
        self.times = times if times and len(times) == len(self.work) else None

    def cost(self, steps):
        """Microseconds, bytes and floating-point operations of some steps together."""
        return {
            "microseconds": sum(self.times[step] for step in steps) if self.times else None,
            "bytes": sum(self.work[step][0] for step in steps),
            "flops": sum(self.work[step][1] for step in steps),
        }

    def kernels(self):
        for kernel in self.compiled.kernels:
            steps = kernel["steps"]
            yield KernelReport(
                kernel["name"], tuple(kernel["ops"]), kernel["shape"], launches=len(steps), **self.cost(steps)
            )

    def externs(self):
        generated = {step for kernel in self.compiled.kernels for step in kernel["steps"]}
        calls = {}
        others = (step for step in range(len(self.work)) if step not in generated)
        for step, op in zip(others, self.compiled.externs):
            calls.setdefault(op, []).append(step)
        for op, steps in calls.items():
            yield ExternReport(op, len(steps), **self.cost(steps))
