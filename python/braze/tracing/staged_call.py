"""A call that runs in stages, for sizes that are known only once an operator has run: what an entry executes then.

Each stage is a compiled function of its own, with entries, guards and a trial of its own. A call that Python would have
taken elsewhere, or that raises, is put back to where it began and runs eagerly.
"""

import torch

from braze import _C
from braze.tracing.generator_states import GeneratorStates

QUIET_CALLS = 3  # so many calls in which no stage met anything new, and the trial may begin
MOST_CALLS = 200  # ... or so many calls at all


class StagedCall:
    def __init__(self, function, steps, program, stages):
        """`stages`: the compiled callables that `function` runs; `steps`: the same function without them; `program`: the
        captured program of a call.
        """
        self.function = function
        self.steps = steps
        self.parts = stages
        self.written = list(program.mutated_slots)
        self.drawn = list(program.drawn)
        self.executable = _C.PyExecutable(self.run)
        self.executable.settled, self.executable.varying = not stages, True
        self.misses = self.calls = self.quiet = 0

    def run(self, tensors):
        """The results; None when the call has to run eagerly, and then nothing has happened."""
        memory = Memory(tensors, self.written)
        states = GeneratorStates(self.drawn)
        grad = torch.is_grad_enabled()
        try:
            results = self.function(tensors)
        except Exception:  # eager raises it too, from the user's own line
            memory.put_back()
            states.put_back()
            return None
        finally:
            torch._C._set_grad_enabled(grad)
        if not self.executable.settled:
            self.watch()
        return results

    def watch(self):
        misses = sum(stage.counters["misses"] for stage in self.parts)
        self.quiet = self.quiet + 1 if misses == self.misses else 0
        self.misses = misses
        self.calls += 1
        self.executable.settled = self.quiet >= QUIET_CALLS or self.calls >= MOST_CALLS

    # What braze.explain shows.

    @property
    def compiled_stages(self):
        return [published.compiled for stage in self.parts for published in stage.handler.entries]

    @property
    def kernels(self):
        return [kernel for compiled in self.compiled_stages for kernel in compiled.kernels]

    @property
    def externs(self):
        return [op for compiled in self.compiled_stages for op in compiled.externs]

    @property
    def stages(self):
        totals = {}
        for compiled in self.compiled_stages:
            for name, milliseconds in compiled.stages:
                totals[name] = totals.get(name, 0.0) + milliseconds
        return list(totals.items())

    @property
    def kernel_origins(self):
        origins = [compiled.kernel_origins for compiled in self.compiled_stages]
        return tuple(map(sum, zip(*origins))) if origins else (0, 0, 0)

    @property
    def step_microseconds(self):
        return []


class Memory:
    """The memory that a call writes, as it was before."""

    def __init__(self, tensors, written):
        storages = {tensors[slot].untyped_storage().data_ptr(): tensors[slot] for slot in written}
        self.copies = [(tensor.untyped_storage(), tensor.untyped_storage().clone()) for tensor in storages.values()]

    def put_back(self):
        for storage, copy in self.copies:
            storage.copy_(copy)
