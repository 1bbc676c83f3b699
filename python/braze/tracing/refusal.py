"""Why a call cannot be replayed: a value that travels to braze.explain."""

import dataclasses
import traceback

from braze import _C


@dataclasses.dataclass(frozen=True)
class Refusal:
    """`reason` is the name of a row of fallback.def, `detail` the object or call it is about, `where` the user's
    "file:line" if known.
    """

    reason: str
    detail: str = ""
    where: str | None = None

    @classmethod
    def internal(cls, error):
        """For a bug of ours, which must not cost the user the call; the log has the whole of it."""
        if _C.Options().log:
            traceback.print_exception(error)
        return cls("internal", f"{type(error).__name__}: {error}")
