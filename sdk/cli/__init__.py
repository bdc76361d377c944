"""`trueprint`: thin commands over the client. Operator commands of an installed registry join here."""

import io
import sys
from importlib.metadata import entry_points
from pathlib import Path

import typer

from sdk.cli import (
    acts,
    compare,
    decisions,
    dsa,
    enrolment,
    follow,
    gate,
    inspect,
    match,
    register,
    register_hashes,
    review,
    verify,
    witness,
)
from sdk.cli.output import fail, notes, shown
from sdk.cli.stopping import Interrupted, leave, listen_for_signals
from sdk.errors import NotAuthenticated, ProblemError, SdkError

app = typer.Typer(
    name="trueprint",
    help="Tell what a picture really is: register originals, match uploads, verify receipts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, nothing matched; 10 something matched; 1 a file failed; 2 wrong usage; "
    "3 a check failed; 4 the registry cannot be reached or refuses; 130 stopped by Ctrl-C.",
)
for part in (
    enrolment,
    register,
    register_hashes,
    review,
    match,
    gate,
    decisions,
    dsa,
    compare,
    verify,
    inspect,
    acts,
    follow,
    witness,
):
    part.join(app)
for entry in entry_points(group="trueprint.commands"):
    entry.load()(app)


def main() -> None:
    """Run; errors become one readable line and an exit code."""
    listen_for_signals()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name that is no UTF-8 is shown with escapes, which JSON reads back.
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except Interrupted as interrupted:
        if not interrupted.said:
            notes.print("stopped")
        leave(interrupted.number)
    except NotAuthenticated as error:
        here = "this command takes it from --api-key or TRUEPRINT_API_KEY"
        fail(f"{error}; {here} [{error.code}]", 4)
    except ProblemError as error:
        fail(f"{error} [{error.code}]", 4)
    except SdkError as error:
        fail(str(error), 4)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        if error.filename is None:  # not about a file that was named: a fault of this program
            raise
        fail(f"{shown(Path(str(error.filename)))}: {error.strerror}", 4)
