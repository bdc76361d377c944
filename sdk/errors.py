"""Everything that can go wrong for a caller, as one tree.

SdkError
├── Unreachable               no answer from the registry
├── ProblemError              the registry answered with an RFC 9457 problem
│   ├── BadRequest            400, 413, 415, 422: the request or the media is at fault
│   ├── NotAuthenticated      401
│   ├── NotAllowed            403
│   ├── NotFound              404, 410
│   ├── Conflict              409
│   ├── TooManyRequests       429: this caller's share is used up for now
│   └── ServerError           5xx
└── VerificationError         a receipt, record or checkpoint does not hold
"""

from typing import Any


class SdkError(Exception):
    """Base of everything that this package raises on purpose."""


class Unreachable(SdkError):
    """No registry answered at that address."""


class ProblemError(SdkError):
    """The registry answered with an RFC 9457 problem; `code` is stable, `detail` is for people."""

    def __init__(self, status: int, code: str, title: str, detail: str, members: dict[str, Any]) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status, self.code, self.title, self.detail = status, code, title, detail
        self.members = members
        self.retry_after_s: float | None = None  # when the registry says that the same may do better


class BadRequest(ProblemError):
    """The request or the uploaded file is at fault."""


class NotAuthenticated(ProblemError):
    """The API key is missing, unknown, expired or revoked."""


class NotAllowed(ProblemError):
    """The API key lacks a scope or belongs to somebody else."""


class NotFound(ProblemError):
    """Nothing has that name or id."""


class Conflict(ProblemError):
    """The request contradicts what the registry already holds."""


class TooManyRequests(ProblemError):
    """The caller has too much under way, or asks too often; `retry_after_s` says when to go on."""


class ServerError(ProblemError):
    """The registry failed."""


class VerificationError(SdkError):
    """A signature, proof or commitment does not hold; `held` says what was found to hold before it."""

    held: tuple[str, ...] = ()


_BY_STATUS: dict[int, type[ProblemError]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    429: TooManyRequests,
}


def problem_to_error(status: int, document: dict[str, Any]) -> ProblemError:
    """Makes the exception that fits a problem document."""
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else BadRequest)
    return kind(
        status=status,
        code=str(document.get("code", "unknown")),
        title=str(document.get("title", f"HTTP {status}")),
        detail=str(document.get("detail", "")),
        members=document,
    )


# These would be raised by every further request of the same caller too.
NON_RETRYABLE = (Unreachable, NotAuthenticated, NotAllowed)
