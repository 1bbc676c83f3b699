"""What compiling costs, each measurement in a process of its own.

python benchmarks/compile_time.py --targets minilm resnet50 gpt2 vit_tiny unet "1 layer" "32 layers"

From nothing and from a warm cache on disk, beside torch.compile's: the time of the first calls beyond what they take
eagerly. A stack of 32 equal layers stands beside one layer, for the kernels compiled.
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


TARGETS = {
    "minilm": model_zoo.minilm,
    "resnet50": model_zoo.resnet50,
    "gpt2": model_zoo.gpt2,
    "vit_tiny": model_zoo.vit_tiny,
    "unet": model_zoo.unet,
    "1 layer": lambda: stack(1),
    "32 layers": lambda: stack(32),
}
LAYERS = ("1 layer", "32 layers")  # not worth torch.compile's time
CALLS = 4


def first_calls(call, inputs, calls=CALLS):
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
        "cold_ms": cost(times, eager),
        "compiler_ms": report.compile_milliseconds,  # of it, passes, schedule and code
        "kernels_compiled": report.kernels_compiled,
        "kernels_from_disk": report.kernels_from_disk,
        "entries": len(report.entries),
    }


def measure_torch_compile(target):
    model, inputs = TARGETS[target]()
    with torch.no_grad():
        eager = min(first_calls(model, inputs, calls=10))
        times = first_calls(torch.compile(model), inputs)
    return {"cold_ms": cost(times, eager)}


def cost(times, eager):
    """Milliseconds that the first calls take beyond eager ones."""
    return 1e3 * sum(max(seconds - eager, 0) for seconds in times)


MEASURES = {"braze": measure_braze, "torch.compile": measure_torch_compile}


def in_fresh_process(contender, target, folder):
    environment = dict(os.environ, BRAZE_CACHE_DIR=f"{folder}/braze", TORCHINDUCTOR_CACHE_DIR=f"{folder}/inductor")
    command = [sys.executable, __file__, "--child", contender, target]
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(finished.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=("minilm",) + LAYERS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        contender, target = chosen.child
        print(json.dumps(MEASURES[contender](target)))
        return
    results = {}
    if not chosen.json:
        print(
            f"{'':12} {'cold':>9} {'compiled':>9} {'warm':>9} {'compiled':>9}   torch.compile / braze: cold      warm"
        )
    for target in chosen.targets:
        results[target] = measure(target)
        if not chosen.json:
            print_row(target, results[target])
    if chosen.json:
        print(json.dumps(results, indent=1))


def measure(target):
    """Each contender from nothing, then once more over the caches it left."""
    found = {}
    for contender in ("braze",) if target in LAYERS else MEASURES:
        with tempfile.TemporaryDirectory() as folder:
            found[contender] = [in_fresh_process(contender, target, folder) for _ in ("cold", "warm")]
    return found


def print_row(target, found):
    cold, warm = found["braze"]
    line = f"{target:12} {cold['cold_ms']:6.0f} ms {cold['kernels_compiled']:9}"
    line += f" {warm['cold_ms']:6.0f} ms {warm['kernels_compiled']:9}"
    if "torch.compile" in found:
        ratios = [
            peer["cold_ms"] / max(ours["cold_ms"], 1e-3) for peer, ours in zip(found["torch.compile"], found["braze"])
        ]
        line += f"   {ratios[0]:27.0f}x {ratios[1]:8.0f}x"
    print(line, flush=True)


if __name__ == "__main__":
    main()
