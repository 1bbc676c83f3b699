"""One compiled callable from many threads, inside itself, in forked processes, interrupted anywhere, and dropped."""

import builtins
import gc
import itertools
import logging
import signal
import sys
import threading
import warnings
import weakref

import pytest
import torch
from outcomes import faults
from torch import nn

import braze
from braze import _C

pytestmark = pytest.mark.usefixtures("entries_always_used")


def net_of(width):
    net = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2))
    for number, parameter in enumerate(net.parameters()):
        nn.init.constant_(parameter, 0.125 * (number + 1))
    return net


@pytest.mark.parametrize("threads", [2, 16])
def test_first_calls_from_many_threads(threads):
    net = net_of(4)
    compiled, start, wrong = braze.compile(net_of(4)), threading.Barrier(threads), []

    def work(number):
        start.wait()
        for call in range(30):
            x = torch.full((3, 4), float(number + call))
            with torch.no_grad():
                if not torch.allclose(compiled(x), net(x)):
                    wrong.append((number, call))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert not faults(compiled)


def test_state_written_by_many_threads():
    """Each thread has a state of its own; the traced call of one may not be seen by another."""

    class Runs(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = torch.zeros(4)

        def forward(self, x):
            self.hidden = self.hidden * 0.5 + x
            return self.hidden * 2

    forward, wrong = braze.compile(Runs.forward), []

    def work(number):
        net, plain = Runs(), Runs()
        for call in range(40):
            x = torch.full((4,), float(number + call))
            with torch.no_grad():
                if not torch.equal(forward(net, x), Runs.forward(plain, x)):
                    wrong.append((number, call))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_prints_of_other_threads_are_their_own(capsys):
    """A thread that prints while another one's call is traced is not part of that call."""
    stop = threading.Event()

    def chatter():
        while not stop.is_set():
            print("chatter")

    def f(x):
        print("call")
        return (x * 2).sum()

    thread = threading.Thread(target=chatter)
    thread.start()
    try:
        compiled = braze.compile(f)
        for _ in range(20):
            compiled(torch.ones(4))
    finally:
        stop.set()
        thread.join()
    capsys.readouterr()
    compiled(torch.ones(4))
    assert capsys.readouterr().out == "call\n"


def test_function_that_calls_itself():
    @braze.compile
    def power(x, n):
        return x if n == 0 else power(x, n - 1) * x + n

    def plain(x, n):
        return x if n == 0 else plain(x, n - 1) * x + n

    x = torch.linspace(-1, 1, 8)
    for n in (1, 2, 3, 2, 1) * 4:
        assert torch.allclose(power(x, n), plain(x, n))


def test_compiled_inside_compiled():
    inner = braze.compile(lambda x: x * 2 + 1)
    outer = braze.compile(lambda x: inner(x) * inner(x + 1))
    x = torch.linspace(-1, 1, 8)
    for _ in range(6):
        assert torch.allclose(outer(x), (x * 2 + 1) * ((x + 1) * 2 + 1))
        assert torch.allclose(inner(x), x * 2 + 1)


class Rows(torch.utils.data.Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return self.transform(torch.full((4,), float(i)))


def test_workers_of_a_data_loader():
    compiled = braze.compile(lambda x: torch.tanh(x) * 2)
    for _ in range(4):
        compiled(torch.ones(4))
    loader = torch.utils.data.DataLoader(Rows(compiled), batch_size=3, num_workers=2, multiprocessing_context="fork")
    expected = torch.tanh(torch.arange(12.0))[:, None].expand(12, 4) * 2
    for _ in range(2):
        assert torch.allclose(torch.cat(list(loader)), expected)


def untouched():
    """What tracing changes for a while is as it should be."""
    return (
        builtins.print.__module__,
        warnings.warn.__module__,
        logging.Logger._log.__module__,
        sys.getprofile(),
        gc.isenabled(),
        len(gc.callbacks),
        _C.is_recording(),
        torch.overrides.has_torch_function.__module__,
    )


def test_interrupted_anywhere():
    """A KeyboardInterrupt at many moments of tracing, compiling and calling leaves eager's results behind."""
    net = net_of(6)
    before = untouched()
    interrupts = 0

    def interrupt(signum, frame):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        for step in range(60):
            width = 6 + step % 2
            compiled = braze.compile(net_of(6))
            x = torch.full((2 + width, 6), 0.5)
            with torch.no_grad():
                expected = net(x)
                for call in range(4):
                    try:
                        signal.setitimer(signal.ITIMER_REAL, 0.0004 * (step + 1) / (call + 1))
                        result = compiled(x)
                        signal.setitimer(signal.ITIMER_REAL, 0)
                        assert torch.allclose(result, expected)
                    except KeyboardInterrupt:
                        interrupts += 1
                    finally:
                        signal.setitimer(signal.ITIMER_REAL, 0)
                for _ in range(4):
                    assert torch.allclose(compiled(x), expected)
            assert untouched() == before
            assert not faults(compiled)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert interrupts > 0


@pytest.mark.parametrize(
    "function, inputs, least",
    [
        (lambda x: x.relu() * x.shape[0], [torch.ones(size) for size in (4, 5, 6)], 6),
        (lambda x: x[x > 0] * 2, [torch.tensor(row) for row in ([1.0, 0, 2], [1.0, 1, 1], [0.0, 0, 3])], 4),
    ],
    ids=["sizes of arguments", "sizes of values"],
)
def test_interrupted_once_recording_has_begun(function, inputs, least, monkeypatch):
    """A KeyboardInterrupt on the way out of start_recording: neither the recording nor a function mode goes on."""
    start, before, interrupts = _C.start_recording, untouched(), 0
    modes = torch._C._len_torch_function_stack()
    for nth in range(1, 50):
        compiled, starts, interrupted = braze.compile(function), itertools.count(1), False

        def interrupted_start(nth=nth, starts=starts):
            started = start()
            if next(starts) == nth:
                raise KeyboardInterrupt
            return started

        for x in inputs:
            monkeypatch.setattr(_C, "start_recording", interrupted_start)
            try:
                assert torch.equal(compiled(x), function(x))
            except KeyboardInterrupt:
                interrupted = True
            monkeypatch.undo()
            assert untouched() == before
            assert torch._C._len_torch_function_stack() == modes
        for x in inputs:
            assert torch.equal(compiled(x), function(x))
        if not interrupted:
            break
        interrupts += 1
    assert interrupts >= least


def test_dropped_models_leave_nothing():
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 4)
            self.register_buffer("mean", torch.zeros(4))
            self.calls, self.seen = 0, {}

        def forward(self, x):
            self.calls += 1
            self.seen["inner"] = self.inner(x)
            self.mean = self.mean * 0.9 + self.seen["inner"].mean(0)
            return self.seen["inner"] - self.mean

    def one():
        net = braze.compile(Keeps())
        with torch.no_grad():
            for _ in range(8):
                net(torch.ones(3, 4))
        assert braze.explain(net).report.entries
        return [weakref.ref(net), weakref.ref(net.inner.weight), weakref.ref(net._compiled_call_impl)]

    references = [reference for _ in range(20) for reference in one()]
    gc.collect()
    assert not any(reference() is not None for reference in references)
