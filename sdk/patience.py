"""When a request that was refused for now is sent again: as the registry says, and not for ever."""

import random
import time
from dataclasses import dataclass

import httpx2

from sdk.errors import ProblemError

PATIENCE_S = 60.0  # for one call, all pauses together
SPREAD = 0.5  # so that many who were refused at once do not come back at once
REFUSED_FOR_NOW, UNAVAILABLE = 429, 503
NOTHING_WAS_DONE = ("overloaded",)  # codes with 503 of what was refused before it was begun


def retry_after_s(response: httpx2.Response) -> float | None:
    """Returns what `Retry-After` says in seconds; None where it says nothing, or a date."""
    said = response.headers.get("retry-after", "")
    return float(said) if said.isdecimal() else None


@dataclass(frozen=True)
class Pause:
    """Ask again after so long."""

    seconds: float


class Patience:
    """The pauses of one call. `repeatable`: whether sending it twice has the effect of sending it once."""

    def __init__(self, *, repeatable: bool) -> None:
        self._repeatable = repeatable
        self._deadline = time.monotonic() + PATIENCE_S

    def pause_after(self, error: ProblemError) -> Pause | None:
        """How long to wait before the call is sent again; None: this answer stands."""
        if error.retry_after_s is None or error.status not in (REFUSED_FOR_NOW, UNAVAILABLE):
            return None
        undone = error.status == REFUSED_FOR_NOW or error.code in NOTHING_WAS_DONE
        if not (undone or self._repeatable):
            return None
        seconds = error.retry_after_s * (1 + SPREAD * random.random())
        return Pause(seconds) if time.monotonic() + seconds <= self._deadline else None
