"""What calls say on their way: printed text, warnings, log records."""

import contextlib
import io
import logging
import warnings

from torch.nn import functional as F

from programs import at_positions, data, first_of_phase, phases, program


@program
def shapes_printed(compile):
    def f(x):
        print("given", x.shape, x.dtype, sep=": ", end=".\n")
        return x * 2

    f = compile(f)
    for size in phases(3, 5):
        yield f(data(size))


@program
def settings_printed(compile):
    class Settings:
        name = "a"

        def __str__(self):
            return f"Settings({self.name})"

    settings = Settings()

    def f(x):
        print(settings)
        print(f"{settings.name:>4}")
        return x * 2

    f = compile(f)
    for settings.name in phases("a", "b", "a"):
        yield f(data(4))


@program(refusable="a value is printed")
def values_printed(compile):
    def f(x):
        print("mean", x.mean())
        return x * 2

    f = compile(f)
    for shift in phases(0, 1):
        yield f(data(4) + shift)


@program
def printed_before_an_error(compile):
    def f(x, i):
        print("before")
        y = x[i]
        print("after")
        return y * 2

    yield from at_positions(compile(f))


@program
def printed_in_a_branch(compile):
    def f(x):
        print("positive" if x.sum() > 0 else "negative")
        return x * 2

    f = compile(f)
    for shift in phases(5, -5, 5):
        yield f(data(4) + shift)


@program
def prints_redirected(compile):
    def f(x):
        print("hello")
        return x * 2

    f = compile(f)
    for redirected in phases(False, True, False):
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream) if redirected else contextlib.nullcontext():
            result = f(data(4))
        yield result, stream.getvalue()


def warns(x):
    warnings.warn("careful", DeprecationWarning)
    return x * 2


@program
def warnings_given(compile):
    f = compile(warns)
    for action in phases("ignore", "always", "once", "error", "ignore"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter(action)
            try:
                result = f(data(4))
            except DeprecationWarning:
                result = "raised"
        yield result, [(str(item.message), item.filename == __file__, item.lineno) for item in caught]


@program
def warnings_ignored(compile):
    f = compile(warns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for shift in phases(0, 1):
            yield f(data(4) + shift)


@program
def warnings_about_the_caller(compile):
    """Functions of PyTorch warn about the line that called them; it is asked twice while a mode looks on."""

    def f(x, y):
        return F.mse_loss(x, y) + F.kl_div(x, y) + F.softmax(x).sum()

    f = compile(f)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for rows in phases(4, 1, 4):
            caught.clear()
            result = f(data(4, 4), data(rows, 4).softmax(1))
            yield result, [(str(item.message), item.filename, item.lineno) for item in caught]


@program
def log_records(compile):
    logger = logging.getLogger("programs.log_records")
    logger.propagate = False
    seen = []

    class Handler(logging.Handler):
        def emit(self, record):
            seen.append((record.getMessage(), record.levelname, record.funcName, record.lineno, record.filename))

    logger.handlers[:] = [Handler()]

    def f(x):
        logger.info("shape %s, %d", tuple(x.shape), 3)
        logger.debug("details")
        return x * 2

    f = compile(f)
    for level, first in first_of_phase((logging.INFO, logging.WARNING, logging.DEBUG)):
        if first:
            logger.setLevel(level)
        yield f(data(4)), list(seen)
