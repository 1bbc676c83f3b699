"""What this machine can do at most: bytes copied and floating-point operations a second, measured once and kept.

The copy is that of STREAM (McCalpin, 1995), for working sets from a core's cache to main memory; the operations are those
of a product of two 1024x1024 float32 matrices. Both are PyTorch's own, at its present number of threads.
"""

import functools
import json
import pathlib
import platform
import time

import torch

from braze import _C

SIZES = (2**16, 2**19, 2**22, 2**25, 2**28)  # bytes moved by a copy, half of them read
PRODUCT = 1024


def limits():
    """The limits at PyTorch's present number of threads: {"copy": [[bytes, bytes a second], ...], "flops": a second}.

    The first call on a machine takes about half a second. What it finds is kept where compiled code is.

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
    key = f"limits of {platform.machine()} {processor()} torch {torch.__version__} threads {threads} sizes {SIZES} {PRODUCT}"
    if kept := _C.cache_find(key):
        return json.loads(kept)
    found = {"copy": [[size, copied(size)] for size in SIZES], "flops": multiplied()}
    _C.cache_keep(key, json.dumps(found))
    return found


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
