"""How reports read, as text and as HTML; the reports themselves are made by hand."""

import pytest
import torch

import braze
from braze.explain import ADVICE, MEANINGS, Explanation
from braze.report import EntryReport, ExternReport, FunctionReport, KernelReport, RefusalReport, StageReport

REPORT = FunctionReport(
    name="block",
    entries=(
        EntryReport(
            inputs="x: f32[8, 512]",
            kernels=(KernelReport("k0", ("aten::add", "aten::gelu"), "f32 [8, 512]", 32.5, launches=2, bytes=800.0),),
            externs=(ExternReport("aten::addmm", 4, 100.0, bytes=400.0, flops=2000.0), ExternReport("aten::sort")),
            guards="x is a plain tensor\nlen(self.layers) == 2",
            captured=("self.weight",),
            hits=12,
            compiled_microseconds=20.0,
            eager_microseconds=50.0,
        ),
    ),
    refusals=(RefusalReport("random", "<dropout>", "model.py", 12, 3),),
    stages=(StageReport("trace", 1.5), StageReport("codegen", 10.0)),
    kernels_compiled=1,
    kernels_from_memory=1,
    calls=17,
    children=(FunctionReport("layers.0: Linear"),),
)

TEXT = """\
block: 1 entry, 3 refusals, 17 calls, 12 of them compiled
  compiled in 11.5 ms (trace 1.5, codegen 10.0); kernels: 1 compiled, 1 from memory, 0 from disk
  entry 1 (published): x: f32[8, 512]
    12 hits, 20.0 us compiled, 50.0 us eager, 2.50x
    kernel   launches  us     limit  shape         computes
    k0       2         32.5   25%    f32 [8, 512]  aten::add, aten::gelu
    PyTorch  4         100.0  50%                  aten::addmm
    PyTorch  1                                     aten::sort
    captured tensors (1): self.weight
    guards (2): x is a plain tensor; len(self.layers) == 2
  refused 3 times, random: the call draws random numbers (<dropout>) at model.py:12
  layers.0: Linear: 0 entries"""


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """One that moves a hundred bytes a microsecond and computes forty numbers."""
    monkeypatch.setattr("braze.machine.known", lambda threads: {"copy": [[1000, 1e8]], "flops": 4e7})


def test_text():
    assert repr(Explanation(REPORT)) == TEXT


def test_a_launch_of_next_to_no_time_has_no_share_of_the_limit():
    kernel = KernelReport("k0", ("aten::add",), "8", 6.0, launches=2, bytes=64.0)
    lines = repr(Explanation(FunctionReport("f", (EntryReport("", (kernel,)),)))).splitlines()
    assert "%" not in lines[-1] and "6.0" in lines[-1]


def test_limits_are_measured_once_a_machine(monkeypatch, process_option, tmp_path):
    from braze import machine

    monkeypatch.undo()
    process_option(cache_dir=str(tmp_path))
    machine.known.cache_clear()
    found = machine.limits()
    assert found["flops"] > 0 and all(rate > 0 for _, rate in found["copy"])
    machine.known.cache_clear()
    monkeypatch.setattr(machine, "copied", None)  # not called again
    assert machine.limits() == found
    (file,) = tmp_path.iterdir()
    file.write_text("{")
    machine.known.cache_clear()
    monkeypatch.setattr(machine, "copied", lambda size: 1.0)
    assert machine.limits()["copy"][0][1] == 1.0
    machine.known.cache_clear()


def test_long_lists_are_cut_in_text_only():
    entry = EntryReport(inputs="", guards="\n".join(f"guard {i}" for i in range(9)))
    explanation = Explanation(FunctionReport(name="f", entries=(entry,)))
    assert "guards (9): guard 0; guard 1; guard 2; guard 3; ..." in repr(explanation)
    assert "guard 8" in explanation._repr_html_()


def test_html_holds_the_same_escaped():
    page = Explanation(REPORT)._repr_html_()
    assert "(&lt;dropout&gt;)" in page and "<dropout>" not in page
    assert page.count("<details") == page.count("</details>") == 4
    assert "2.50x" in page and "aten::gelu" in page


@pytest.mark.parametrize("target", [3, torch.relu, lambda x: x])
def test_only_compiled_things_are_explained(target):
    with pytest.raises(braze.UserError, match="is not compiled; it takes what braze.compile returned"):
        braze.explain(target)


def test_module_without_anything_compiled():
    with pytest.raises(braze.UserError, match="Linear is not compiled"):
        braze.explain(torch.nn.Linear(2, 2))


def test_obstacles_of_a_report():
    """A refusal stands in the way when calls like it are not traced any more; before there is an entry, any does."""
    final = RefusalReport("leak", "Tensor.numpy", "model.py", 3, is_final=True)
    passing = RefusalReport("side_effect", "self.calls")
    entry = EntryReport(inputs="x: f32[2]", state="compiled")

    def reasons(**parts):
        return [obstacle.reason for obstacle in Explanation(FunctionReport(name="f", **parts)).why_not_compiled]

    assert reasons(entries=(entry,), refusals=(passing,)) == []
    assert reasons(entries=(entry,), refusals=(passing, final)) == ["leak"]
    assert reasons(refusals=(passing,)) == ["side_effect"]
    assert reasons() == ["not_yet"]
    assert reasons(entries=(EntryReport(inputs="x", state="slower"),)) == ["slower"]
    assert reasons(children=(FunctionReport("child", entries=(entry,)),)) == []
    (obstacle,) = Explanation(FunctionReport(name="f", refusals=(final,))).why_not_compiled
    assert (obstacle.function, obstacle.detail, obstacle.place) == ("f", "Tensor.numpy", "model.py:3")
    assert obstacle.meaning and obstacle.advice
    for part in ("f", "leak", "Tensor.numpy", "model.py:3", obstacle.advice):
        assert part in str(obstacle)


def test_every_reason_has_advice():
    assert set(ADVICE) == set(MEANINGS)
    assert all(ADVICE.values())
