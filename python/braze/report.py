"""What braze knows about one compiled callable, as plain values: braze.explain shows it, tests and scripts read it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class KernelReport:
    """One generated kernel: the ATen operators it computes, and what a launch costs."""

    name: str
    ops: tuple[str, ...]
    shape: str = ""
    microseconds: float | None = None
    launches: int = 1  # how many launches of the entry share this code
    bytes: float = 0.0  # that the launches have to read and write
    flops: float = 0.0  # floating-point operations


@dataclass(frozen=True)
class ExternReport:
    """An operator that PyTorch runs for the entry, and how often."""

    op: str
    calls: int = 1
    microseconds: float | None = None
    bytes: float = 0.0
    flops: float = 0.0  # 0: not known


@dataclass(frozen=True)
class EntryReport:
    """One compiled version of the callable: what it stands for, what it runs, and how it did beside eager."""

    inputs: str
    kernels: tuple[KernelReport, ...] = ()
    externs: tuple[ExternReport, ...] = ()
    guards: str = ""
    captured: tuple[str, ...] = ()  # tensors reached through Python state, read anew at each call
    hits: int = 0
    compiled_microseconds: float | None = None
    eager_microseconds: float | None = None
    state: str = "published"
    layout: str = ""  # what was moved to another layout of memory
    freezing: str = ""  # what freeze=True did with the weights, or would look at
    path: tuple[str, ...] = ()  # of an entry for many sizes: what Python asked about them
    sizes: str = ""  # those it was verified for

    @property
    def kernel_launches(self):
        return sum(kernel.launches for kernel in self.kernels)

    @property
    def extern_calls(self):
        return sum(extern.calls for extern in self.externs)


@dataclass(frozen=True)
class RefusalReport:
    """Why calls ran eagerly: a row of fallback.def, the particulars, and the line of Python that caused it."""

    reason: str
    detail: str = ""
    file: str = ""
    line: int = 0
    count: int = 1
    is_final: bool = False  # calls like these are not traced any more

    @property
    def place(self):
        return f"{self.file}:{self.line}" if self.file else ""


@dataclass(frozen=True)
class Obstacle:
    """Why calls of a function are not compiled: `detail` names the object or the call, `place` is the line of Python if
    it is known, `advice` says what to change.
    """

    function: str
    reason: str
    meaning: str
    detail: str
    place: str
    advice: str

    def __str__(self):
        place = f", at {self.place}" if self.place else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.function}: {self.reason}: {self.meaning}{detail}{place}; {self.advice}"


@dataclass(frozen=True)
class StageReport:
    """Milliseconds that one stage of compiling took, all entries together."""

    name: str
    milliseconds: float


@dataclass(frozen=True)
class FunctionReport:
    """Everything about one compiled callable; children are modules that were tried on their own."""

    name: str
    entries: tuple[EntryReport, ...] = ()
    refusals: tuple[RefusalReport, ...] = ()
    stages: tuple[StageReport, ...] = ()
    kernels_compiled: int = 0
    kernels_from_memory: int = 0
    kernels_from_disk: int = 0
    calls: int = 0
    static_sizes: tuple[str, ...] = ()  # why calls that differ in sizes only have entries of their own
    children: tuple["FunctionReport", ...] = field(default=())

    @property
    def compile_milliseconds(self):
        return sum(stage.milliseconds for stage in self.stages)

    @property
    def compiled_calls(self):
        return sum(entry.hits for entry in self.entries)
