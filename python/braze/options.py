"""Options: the process's own as attributes of braze.options, and those of one braze.compile call."""

from typing import TypedDict

from braze import _C
from braze.errors import UserError

TABLE = {row["name"]: row for row in _C.options_table()}
PER_CALL = tuple(name for name, row in TABLE.items() if row["per_call"])


class CompileOptions(TypedDict, total=False):
    """What braze.compile accepts; braze.options describes each."""

    numerics: str
    freeze: bool
    dynamic: bool | None
    background: bool
    trial: bool
    strict: bool
    isa: str
    products: str
    disabled_passes: str


class ProcessOptions:
    """Every option with its present value, read and set as attributes. At import the environment sets BRAZE_<NAME>.

    >>> import braze
    >>> braze.options.numerics
    'eager'
    >>> braze.options.log = "compiles,refusals"
    >>> braze.options.log = ""
    """

    __slots__ = ()

    def __getattr__(self, name):
        if name not in TABLE:
            raise AttributeError(f"braze.options has no {name!r}; it has: {', '.join(TABLE)}")
        return getattr(_C.Options(), name)

    def __setattr__(self, name, value):
        _C.set_process_option(name, value)

    def __dir__(self):
        return list(TABLE)

    def __repr__(self):
        current = _C.Options()
        lines = [f"  {name} = {getattr(current, name)!r}  # {row['help']}" for name, row in TABLE.items()]
        return "\n".join(["braze.options", *lines])


options = ProcessOptions()


def call_options(given):
    """The options of one braze.compile call: the process's own, with those given in their place."""
    result = _C.Options()
    for name, value in given.items():
        if name not in PER_CALL:
            hint = "; set it on braze.options" if name in TABLE else ""
            raise UserError(f"braze.compile: unknown option {name!r}{hint}; it accepts: {', '.join(PER_CALL)}")
        try:
            setattr(result, name, value)
        except UserError as error:
            raise UserError(f"braze.compile: {error}") from None
    return result


def options_as_markdown():
    """The table of the README."""
    lines = ["| option | default | accepts | what it does |", "| --- | --- | --- | --- |"]
    for name, row in TABLE.items():
        accepts = row["accepts"].replace("|", ", ").strip(", ") if row["accepts"] != "*" else "any"
        where = "" if row["per_call"] else " (`braze.options` only)"
        lines.append(f"| `{name}` | `{row['default']!r}` | {accepts} | {row['help']}{where} |")
    return "\n".join(lines)
