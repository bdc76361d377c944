"""What commands say of one file: the registry's answer, or why there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from sdk.errors import NON_RETRYABLE, ProblemError, SdkError
from sdk.models import MatchAnswer, Registration

A = TypeVar("A", MatchAnswer, Registration)


@dataclass(frozen=True)
class FileError:
    """Why a file failed, with a code that is stable (docs/problems.md; `client` for what failed here)."""

    code: str
    title: str
    detail: str


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


def answer_for(path: Path, ask: Callable[[], A]) -> FileAnswer[A]:
    """What `ask` returns, or what is wrong with the file.

    Raises one of NON_RETRYABLE when no other file would fare better.
    """
    try:
        return FileAnswer(path, ask())
    except NON_RETRYABLE:
        raise
    except ProblemError as problem:
        return FileAnswer(path, None, FileError(problem.code, problem.title, problem.detail))
    except (SdkError, OSError) as error:
        return FileAnswer(path, None, FileError("client", type(error).__name__, str(error)))
