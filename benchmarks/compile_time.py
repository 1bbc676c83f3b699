"""What compiling costs, each measurement in a process of its own.   python benchmarks/compile_time.py

MiniLM from nothing and from a warm cache on disk, beside torch.compile's cold and warm start; and a stack of 32 equal
layers beside one layer, in kernels compiled.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import torch
from torch import nn

import braze
import model_zoo


class Stack(nn.Module):
    """Equal layers on top of one another; their code should be compiled once."""

    def __init__(self, layers):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(layers)
        )

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def stack(layers):
    return Stack(layers), (torch.randn(2, 16, 64),)


TARGETS = {"minilm": model_zoo.minilm, "1 layer": lambda: stack(1), "32 layers": lambda: stack(32)}


def first_calls(call, inputs, calls=4):
    """Seconds of each of the first calls."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call(*inputs)
        times.append(time.perf_counter() - start)
    return times


def measure_braze(target):
    model, inputs = TARGETS[target]()
    with torch.no_grad():
        eager = min(first_calls(model, inputs, calls=10))
        times = first_calls(braze.compile(model), inputs)
    report = braze.explain(model).report
    return {
        "compile_ms": report.compile_milliseconds,
        "stages_ms": {stage.name: stage.milliseconds for stage in report.stages},
        "first_calls_ms": [1e3 * seconds for seconds in times],
        "eager_ms": 1e3 * eager,
        "kernels_compiled": report.kernels_compiled,
        "kernels_from_memory": report.kernels_from_memory,
        "kernels_from_disk": report.kernels_from_disk,
        "entries": len(report.entries),
    }


def measure_torch_compile(target):
    model, inputs = TARGETS[target]()
    with torch.no_grad():
        eager = min(first_calls(model, inputs, calls=10))
        times = first_calls(torch.compile(model), inputs)
    return {
        "compile_ms": 1e3 * (times[0] - eager),
        "eager_ms": 1e3 * eager,
        "first_calls_ms": [1e3 * seconds for seconds in times],
    }


MEASURES = {"braze": measure_braze, "torch.compile": measure_torch_compile}


def in_fresh_process(contender, target, folder):
    environment = dict(os.environ, BRAZE_CACHE_DIR=f"{folder}/braze", TORCHINDUCTOR_CACHE_DIR=f"{folder}/inductor")
    command = [sys.executable, __file__, "--child", contender, target]
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(finished.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        contender, target = chosen.child
        print(json.dumps(MEASURES[contender](target)))
        return
    results = {}
    for contender, target in (
        ("braze", "minilm"),
        ("torch.compile", "minilm"),
        ("braze", "1 layer"),
        ("braze", "32 layers"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            results[f"{contender}, {target}, cold"] = in_fresh_process(contender, target, folder)
            results[f"{contender}, {target}, warm cache"] = in_fresh_process(contender, target, folder)
    if chosen.json:
        print(json.dumps(results, indent=1))
        return
    print(f"{'':36} {'compile ms':>11} {'first call ms':>14} {'eager ms':>9} {'compiled':>9} {'memory':>7} {'disk':>5}")
    for name, result in results.items():
        kernels = [str(result.get(key, "")) for key in ("kernels_compiled", "kernels_from_memory", "kernels_from_disk")]
        print(
            f"{name:36} {result['compile_ms']:11.1f} {result['first_calls_ms'][0]:14.1f} {result['eager_ms']:9.2f} "
            f"{kernels[0]:>9} {kernels[1]:>7} {kernels[2]:>5}"
        )
    ratio = results["torch.compile, minilm, cold"]["compile_ms"] / results["braze, minilm, cold"]["compile_ms"]
    print(f"MiniLM from nothing: braze compiles {ratio:.0f} times as fast as torch.compile")


if __name__ == "__main__":
    main()
