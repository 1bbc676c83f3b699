"""The form of a program whose convolutions work on channels-last memory."""

from braze import _C


class LaidOut:
    """A program with convolutions moved, compiled."""

    def __init__(self, compiled, convolutions):
        self.compiled = compiled
        self.convolutions = convolutions

    def describe(self):
        return f"channels last: {self.convolutions} convolutions"


def laid_out(program, options):
    """The program with convolutions where they are faster; None when it has none that would gain."""
    made = _C.lay_out_program(program, options)
    if made is None:
        return None
    moved, convolutions = made
    return LaidOut(_C.compile_program(moved, options), convolutions)
