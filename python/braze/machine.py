"""What this machine can do at most: bytes copied and floating-point operations a second, measured once and kept.

The copy is that of STREAM (McCalpin, 1995), for working sets from a core's cache to main memory; the operations are those
of a product of two 1024x1024 float32 matrices. Both are PyTorch's own, at its present number of threads.
"""

import contextlib
import functools
import json
import pathlib
import platform
import time

import torch

from braze import cache

SIZES = (2**16, 2**19, 2**22, 2**25, 2**28)  # bytes moved by a copy, half of them read
PRODUCT = 1024


def limits():
    """The limits at PyTorch's present number of threads: {"copy": [[bytes, bytes a second], ...], "flops": a second}.

    The first call on a machine takes about half a second. What it finds is kept in the folder of braze.cache.

    >>> from braze import machine
    >>> sorted(machine.limits())
    ['copy', 'flops']
    """
    return known(torch.get_num_threads())


def least_microseconds(work_bytes, flops):
    """How long this machine takes at least to move the bytes and to do the operations, whichever takes longer."""
    found = limits()
    fitting = [rate for size, rate in found["copy"] if size >= work_bytes] or [found["copy"][-1][1]]
    return 1e6 * max(work_bytes / fitting[0], flops / found["flops"])


@functools.cache
def known(threads):
    file = kept_in(threads)
    try:
        found = json.loads(file.read_text())
        if len(found["copy"]) == len(SIZES) and found["flops"] > 0:
            return found
    except (AttributeError, OSError, ValueError, KeyError, TypeError):
        pass
    found = {"copy": [[size, copied(size)] for size in SIZES], "flops": multiplied()}
    with contextlib.suppress(AttributeError, OSError):
        file.write_text(json.dumps(found))
    return found


def kept_in(threads):
    """The file of this processor; None when nothing is kept on disk."""
    folder = cache.path()
    name = "".join(c if c.isalnum() else "-" for c in f"{platform.machine()}-{processor()}-{threads}")
    return pathlib.Path(folder, f"machine-{name}.json") if folder else None


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def copied(size):
    source = torch.ones(size // 8)
    target = torch.empty_like(source)
    return size / best(lambda: target.copy_(source), max(3, 2**22 // size))


def multiplied():
    left, right = torch.ones(PRODUCT, PRODUCT), torch.ones(PRODUCT, PRODUCT)
    out = torch.empty(PRODUCT, PRODUCT)
    return 2 * PRODUCT**3 / best(lambda: torch.mm(left, right, out=out), 3)


def best(run, repeats):
    """Seconds of the fastest of a few runs."""
    with torch.inference_mode():
        run()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return min(times)
