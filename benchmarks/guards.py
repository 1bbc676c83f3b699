"""What a call pays to find that nothing has changed, for models of 200 parameters. Microseconds, one thread.

python benchmarks/guards.py

The guards of a call, of a call after an attribute that no code reads was set on every module, and of one after each
dict of settings that the code reads was written and written back. Beside them one eager call.
"""

import argparse
import statistics

import torch
from torch import nn

import braze
from timing import guard_microseconds, interleaved


class Flat(nn.Module):
    """One module."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList(torch.ones(8) for _ in range(200))
        self.settings = {"scale": 2.0}

    def forward(self, x):
        for weight in self.weights:
            x = x + weight
        return x * self.settings["scale"]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.gelu = nn.LayerNorm(8), nn.GELU()
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.settings = {"scale": 2.0}

    def forward(self, x):
        return x * self.settings["scale"] + self.down(self.gelu(self.up(self.norm(x))))


MODELS = {
    "one module": Flat,
    "100 linear layers": lambda: nn.Sequential(*(nn.Linear(8, 8) for _ in range(100))),
    "33 blocks of 4 layers": lambda: nn.Sequential(*(Block() for _ in range(33))),
}
ROUNDS = 200


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    print(f"{'us':24} {'guards':>8} {'unread write':>13} {'settings written':>17} {'eager call':>11}")
    for name, make in MODELS.items():
        net, x = make().eval(), torch.ones(2, 8)
        with torch.no_grad():
            (eager,) = interleaved({"eager": lambda: net(x)}).values()  # noqa: B023 - called here
            compiled = braze.compile(net)
            for _ in range(16):
                compiled(x)
            entry = next(p.entry for p in compiled._compiled_call_impl.handler.entries if p.entry.state_holds())
            columns = [guard_microseconds(compiled, (x,), {})]
            for write in (write_unread, rewrite_settings):
                costs = []
                for number in range(ROUNDS):
                    write(net, number)
                    costs.append(braze._C.guard_microseconds(entry, (x,), {}, 1))
                columns.append(statistics.median(costs))
        print(
            f"{name:24} {columns[0]:8.2f} {columns[1]:13.1f} {columns[2]:17.1f} {1e6 * statistics.median(eager):11.0f}",
            flush=True,
        )


def write_unread(net, number):
    for module in net.modules():
        module.last_seen = number


def rewrite_settings(net, number):
    for module in net.modules():
        if hasattr(module, "settings"):
            module.settings["scale"] = 1.0
            module.settings["scale"] = 2.0


if __name__ == "__main__":
    main()
