"""A process that imports torch once and answers each request from a freshly forked child, which imports braze anew.

Tests of the disk cache need many short processes in odd circumstances; importing torch in each would take too long.
As a script it reads a JSON request a line and writes a JSON answer a line; `Worker` is the other end.
"""

import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading
import time


class Worker:
    """Starts the process; `ask` runs one request in one or more children at the same time."""

    def __init__(self):
        command = [sys.executable, __file__]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        """What `work` gives in each child, or the signal that ended it. See `prepare` for what may be asked."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the worker process died"
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def serve():
    import torch

    torch.set_num_threads(1)
    for line in sys.stdin:
        request = json.loads(line)
        children = [start(request) for _ in range(request.get("processes", 1))]
        if "kill_after" in request:
            wait_for_first_file(request["environment"]["BRAZE_CACHE_DIR"])
            time.sleep(request["kill_after"])
            for process, _ in children:
                os.kill(process, signal.SIGKILL)
        print(json.dumps([finish(*child) for child in children]), flush=True)


def wait_for_first_file(folder):
    end = time.monotonic() + 20
    while time.monotonic() < end and not (os.path.isdir(folder) and os.listdir(folder)):
        time.sleep(0.002)


def start(request):
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    status = 1
    try:
        prepare(request)
        answer = work(request)
        os.write(writer, json.dumps(answer).encode())
        status = 0
    except BaseException as error:  # noqa: BLE001 - the parent reports it
        os.write(writer, json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(status)


def finish(process, reader):
    text = b""
    while part := os.read(reader, 65536):
        text += part
    os.close(reader)
    _, status = os.waitpid(process, 0)
    return json.loads(text) if text else {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None}


def prepare(request):
    """Environment variables (null removes one), user id, file size limit and folder of the child."""
    for name, value in request.get("environment", {}).items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    if "folder" in request:
        os.chdir(request["folder"])
    if "file_bytes" in request:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"], request["file_bytes"]))
    if "user" in request:
        os.setgid(request["user"])
        os.setuid(request["user"])


def functions(count):
    """Functions with kernels of their own."""
    import torch

    def make(index):
        factor = 1.0 + index / 8

        def pointwise(x):
            return (x * factor + index).relu() * x

        def row(x):
            return torch.softmax(x * factor, -1) + x.sum(-1, keepdim=True)

        return row if index % 3 == 2 else pointwise

    return [make(index) for index in range(count)]


def work(request):
    """Compiles functions, in threads if asked, and says which results differ from eager and what the caches did."""
    import torch

    import braze

    braze.options.trial = False
    plain = functions(request.get("functions", 6))
    compiled = [braze.compile(function) for function in plain]
    wrong = []

    def run(offset):
        with torch.no_grad():
            for call in range(4):
                for index in range(len(plain)):
                    chosen = (index + offset) % len(plain)
                    x = torch.arange(96.0).view(4, 24) / 7 - call
                    expected = plain[chosen](x)
                    if not torch.allclose(compiled[chosen](x), expected, rtol=1e-5, atol=1e-5):
                        wrong.append(chosen)

    threads = [threading.Thread(target=run, args=(offset,)) for offset in range(request.get("threads", 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reports = [braze.explain(function).report for function in compiled]
    return {
        "wrong": wrong,
        "entries": sum(len(report.entries) for report in reports),
        "refusals": [f"{refusal.reason}: {refusal.detail}" for report in reports for refusal in report.refusals],
        "compiled": sum(report.kernels_compiled for report in reports),
        "from_disk": sum(report.kernels_from_disk for report in reports),
        "cache": {key: str(value) for key, value in braze.cache.info().items()},
        "folder": sorted(path.name for path in pathlib.Path.cwd().iterdir()) if "folder" in request else [],
    }


if __name__ == "__main__":
    serve()
