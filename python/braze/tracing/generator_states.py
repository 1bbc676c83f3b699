"""Where random number generators stand at a moment, for them to be put back there."""

import torch


class GeneratorStates:
    def __init__(self, generators):
        self.generators = list(generators)
        self.states = [generator.get_state() for generator in self.generators]

    def put_back(self):
        for generator, state in zip(self.generators, self.states):
            generator.set_state(state)

    def hold(self):
        """Whether they stand there now."""
        return all(torch.equal(g.get_state(), state) for g, state in zip(self.generators, self.states))
