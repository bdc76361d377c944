"""What commands say of one file: the registry's answer, or why there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from sdk.client import Client
from sdk.errors import NON_RETRYABLE, ProblemError, SdkError, Unreachable
from sdk.models import Decision, MatchAnswer, Registration

A = TypeVar("A", MatchAnswer, Registration, Decision)
CLIENT = "client"  # the code of what failed on this side
# What a registry says of a file; everything else that it refuses is no fault of the file.
ABOUT_FILES = ("unsupported_media", "media_too_large", "undecodable_media", "decoder_gave_up")


@dataclass(frozen=True)
class FileError:
    """Why a file failed, with a code that is stable (docs/problems.md; `client` for what failed here)."""

    code: str
    title: str
    detail: str

    def __str__(self) -> str:
        return f"{self.title}: {self.detail}" if self.detail else self.title


@dataclass(frozen=True)
class FileAnswer(Generic[A]):
    """The answer of the registry about one file, or why there is none."""

    path: Path
    answer: A | None
    error: FileError | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields of a printed line, which are a contract (docs/commands.md)."""
        return {
            "file": str(self.path),
            "answer": self.answer.model_dump(mode="json", by_alias=True) if self.answer else None,
            "error": vars(self.error) if self.error else None,
        }


def answer_for(path: Path, ask: Callable[[], A], client: Client | None = None) -> FileAnswer[A]:
    """What `ask` returns, or what is wrong with the file: one bad file ends no run.

    Raises one of NON_RETRYABLE when no other file would fare better; with `client` it is asked whether the
    registry is still there, since a connection can also break over one file.
    """
    try:
        return FileAnswer(path, ask())
    except Unreachable as error:
        if client is None or not _answers(client):
            raise
        return FileAnswer(path, None, FileError(CLIENT, "The registry gave no answer about it", str(error)))
    except NON_RETRYABLE:
        raise
    except Exception as error:  # whatever a file brings about, the others are still to be asked about
        return FileAnswer(path, None, error_of(error))


def _answers(client: Client) -> bool:
    try:
        client.log_state()
    except Unreachable:
        return False
    return True


def error_of(error: Exception) -> FileError:
    """Says in plain words what went wrong with one file."""
    if isinstance(error, ProblemError):
        return FileError(error.code, error.title, error.detail)
    if isinstance(error, IsADirectoryError):
        return FileError(CLIENT, "This folder cannot be listed", "permission denied")
    if isinstance(error, OSError):
        return FileError(CLIENT, "This file cannot be read", (error.strerror or str(error)).lower())
    title = "This cannot be done here" if isinstance(error, SdkError) else "This program failed on the file"
    return FileError(CLIENT, title, str(error))
