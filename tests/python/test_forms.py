"""Programs compiled in two forms: whichever runs, calls give eager's results, and what was found is not asked again."""

import copy
import gc
import itertools
import weakref

import pytest
import torch
from torch import nn

import braze
from braze import _C
from braze.tracing import forms
from braze.tracing.layout import LaidOut

CALLS = 40
WIDTHS = itertools.count(8)  # what one test finds out is known in the next


class Gate(nn.Module):
    """Writes a buffer at each call, so that a run too many shows."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 5, 3)
        self.register_buffer("total", torch.zeros(5))

    def forward(self, x):
        y = self.conv(x).relu()
        self.total += y.mean((0, 2, 3))
        return y * torch.sigmoid(self.total)[:, None, None]


def images():
    return torch.randn(2, 3, 8, next(WIDTHS))


@pytest.fixture
def twice(monkeypatch):
    """Each program has another form, the same once more; the list grows by one for each that is made."""
    made = []

    def laid_out(program, options):
        made.append(program)
        return LaidOut(_C.compile_program(program, options), 1)

    monkeypatch.setattr(forms.layout, "laid_out", laid_out)
    return made


def check_calls(model, x, calls=CALLS):
    """The compiled model, after as many calls as a copy was called eagerly."""
    eager, compiled = copy.deepcopy(model), braze.compile(model)
    with torch.no_grad():
        for _ in range(calls):
            torch.testing.assert_close(compiled(x), eager(x))
            torch.testing.assert_close(compiled.total, eager.total)
    return compiled


def the_form(compiled):
    (published,) = compiled._compiled_call_impl.handler.entries
    return published.form


def what_is_known(compiled, program):
    options = compiled._compiled_call_impl.handler.options
    return _C.FormChoice(program, "channels last", options).known()


@pytest.mark.parametrize("seconds", [0, 100])
def test_a_race_leaves_eagers_results_and_state(twice, monkeypatch, seconds):
    """Whether calls run the race or wait for it."""
    monkeypatch.setattr(forms, "SHORT_RACE", seconds)
    compiled = check_calls(Gate(), images())
    assert len(twice) == 1
    form = the_form(compiled)
    assert form.raced is None or form.raced.is_settled
    assert (form.raced is None) == (seconds > 0)
    (entry,) = braze.explain(compiled).report.entries
    assert entry.layout == form.layout


def test_the_outcome_of_a_race_is_remembered(twice):
    x = images()
    compiled = check_calls(Gate(), x)
    faster = what_is_known(compiled, twice[0])
    assert faster is bool(the_form(compiled).layout)
    again = check_calls(Gate(), x)
    assert the_form(again).raced is None
    assert bool(the_form(again).layout) is faster
    assert len(twice) == (2 if faster else 1)  # a form that is slower is not made


def test_another_thread_count_is_another_race(twice):
    threads = torch.get_num_threads()
    compiled = check_calls(Gate(), images())
    torch.set_num_threads(3 - min(threads, 2))
    try:
        assert what_is_known(compiled, twice[0]) is None
    finally:
        torch.set_num_threads(threads)


class Wrong:
    """Runs a program and adds one to what it gives."""

    def __init__(self, compiled):
        self.compiled = compiled

    def run(self, tensors):
        return [output if output is None else output + 1 for output in self.compiled.run(tensors)]


@pytest.mark.parametrize("trial", [True, False])
def test_a_form_that_is_wrong_is_not_used(monkeypatch, process_option, trial):
    process_option(trial=trial)
    monkeypatch.setattr(
        forms.layout, "laid_out", lambda program, options: LaidOut(Wrong(_C.compile_program(program, options)), 1)
    )
    compiled = check_calls(Gate(), images())
    form = the_form(compiled)
    assert form.raced is None and not form.layout
    assert [entry.layout for entry in braze.explain(compiled).report.entries] == [""]


def test_without_a_trial_the_other_form_needs_no_race(twice, process_option):
    process_option(trial=False)
    compiled = check_calls(Gate(), images())
    assert the_form(compiled).raced is None and the_form(compiled).layout
    assert what_is_known(compiled, twice[0]) is None


def test_steps_are_timed_by_the_calls_themselves():
    x, runs = torch.randn(64, 64), []

    @torch.library.custom_op("forms::counted", mutates_args=())
    def counted(x: torch.Tensor) -> torch.Tensor:
        runs.append(1)
        return x + 1

    compiled = braze.compile(lambda x: counted(x).sin(), trial=False)
    for calls in range(1, 6):
        compiled(x)
        assert len(runs) == calls
    (entry,) = braze.explain(compiled).report.entries
    assert all(kernel.microseconds > 0 for kernel in entry.kernels)
    assert all(extern.microseconds > 0 for extern in entry.externs)


@pytest.mark.parametrize("seconds", [0, 100])
def test_what_a_form_was_made_by_is_let_go(monkeypatch, seconds):
    """An entry holds the program it runs, and while a race is on the other one; nothing else of them."""
    monkeypatch.setattr(forms, "SHORT_RACE", seconds)
    made = []

    def laid_out(program, options):
        other = LaidOut(_C.compile_program(program, options), 1)
        made.append(weakref.ref(other))
        return other

    monkeypatch.setattr(forms.layout, "laid_out", laid_out)
    compiled = check_calls(Gate(), images(), calls=4)
    gc.collect()
    assert len(made) == 1 and made[0]() is None
    assert len(braze.explain(compiled).report.entries) == 1
