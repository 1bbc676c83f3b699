"""Why a call cannot be replayed: a value that travels to braze.explain."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Refusal:
    """`reason` is the name of a row of fallback.def, `detail` the object or call it is about, `where` the user's
    "file:line" if known.
    """

    reason: str
    detail: str = ""
    where: str | None = None
