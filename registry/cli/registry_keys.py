"""The commands `trueprint registry-keys`: the registry's own keys, of its log and of its answers.

Not those of publishers. Everything heavy is imported inside the commands.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.existing import existing_registry
from registry.cli.models import HomeOption, settings_of
from sdk.cli.output import CHECK_FAILED, console, fail, notes

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

    from registry.log.answer_signer import AnswerSigner
    from registry.log.transparency_log import Log
    from registry.log.witnessing import Witnessing

HOURS_PUBLISHED = 24

registry_keys = typer.Typer(
    name="registry-keys",
    help="The registry's own keys: which there are, and a new one for the log or for answers.",
    no_args_is_help=True,
)


@contextmanager
def _opened(home: HomeOption) -> "Iterator[tuple[Engine, Log, AnswerSigner]]":
    """The log and the keys of a registry that runs or is stopped; ends the command where it refuses."""
    from registry.log.answer_signer import AnswerSigner
    from registry.operate.bootstrap import answer_ring, open_log
    from registry.storage import db

    with existing_registry(home) as (settings, engine):
        db.require_migrated(engine)
        db.require_durable(engine)
        yield engine, open_log(settings), AnswerSigner(answer_ring(settings))


@contextmanager
def _changing(home: HomeOption) -> "Iterator[tuple[Session, Log, AnswerSigner, Witnessing]]":
    """One transaction on a log that is as it was published; afterwards its checkpoint is.

    Where it has witnesses, they are asked before anything is signed, and cosign what was.
    """
    from registry.log.witnessing import Witnessing
    from registry.operate.bootstrap import witnesses_of
    from registry.storage.db import transaction

    with _opened(home) as (engine, log, answers), ExitStack() as stack:
        with transaction(engine) as session:
            log.keys.adopt(session)
            log.require_sound(session)  # no witness is shown an old copy
        witnessing = Witnessing(engine, log, witnesses_of(settings_of(home)))
        witnessing.start()
        stack.callback(witnessing.stop)
        with transaction(engine) as session:
            log.lock(session)
            log.keys.adopt(session)
            log.require_sound(session)  # nothing more is signed on an old copy
            answers.adopt(session)
            yield session, log, answers, witnessing
        with transaction(engine) as session:
            log.publish(session)
        witnessing.cosign()
    if witnessing.fault:
        fail(f"it is done, and {witnessing.fault}", CHECK_FAILED)


@registry_keys.command("list")
def show(home: HomeOption = None) -> None:
    """Every key there is and was, and what it signs."""
    from registry.log.answer_signer import keys_of_answers, with_ends
    from registry.storage.db import transaction

    with _opened(home) as (engine, log, _), transaction(engine) as session:
        log.keys.refresh(session)
        for period in log.keys.periods:
            until = "now" if period.last is None else f"{period.last} entries"
            console.print(f"log      {period.key.text()}  from {period.first} entries until {until}")
        for row, end in with_ends(keys_of_answers(session)):
            start = row.signs_from.isoformat() if row.signs_from else "the beginning"
            console.print(f"answers  {row.kid}  from {start} until {end.isoformat() if end else 'now'}")


@registry_keys.command("rotate-log")
def rotate_log(home: HomeOption = None) -> None:
    """Give the log's key a successor. Both sign from now on, until `retire-log`; no restart is needed.

    Where keys are no files, the new one is made where they are, named in TRUEPRINT_LOG_KEYS of every
    process, and these are started anew before.
    """
    from registry.operate.key_rotation import rotate_log_key

    with _changing(home) as (session, log, _, _):
        change = rotate_log_key(session, log)
    console.print(
        f"{change.new.text()}\nsigns trees of more than {change.size} entries, beside the old key."
    )
    notes.print("Tell those who pin the old key; /v1/log/keys has the note that binds the new one to it.")
    notes.print(
        "Next: each witness puts it in place of the old one; weeks later, "
        "`trueprint registry-keys retire-log`."
    )


@registry_keys.command("retire-log")
def retire_log(home: HomeOption = None) -> None:
    """Have the log's old key sign nothing any more: the second step, some weeks after the first."""
    from registry.operate.key_rotation import retire_log_key

    with _changing(home) as (session, log, _, witnessing):
        change = retire_log_key(session, log, witnessing.require_cosigned)
    console.print(f"{change.old.text()}\nsigns no tree of more than {change.size} entries.")
    notes.print("Its private half is of no use any more: destroy it, in backups too.")


@registry_keys.command("rotate-answers")
def rotate_answers(
    home: HomeOption = None,
    published_for: Annotated[
        int, typer.Option(min=0, help="hours for which the new key is published before it signs")
    ] = HOURS_PUBLISHED,
) -> None:
    """Publish a new key for answers, which signs once those who keep key sets have it."""
    from registry.operate.key_rotation import rotate_answer_key

    with _changing(home) as (session, log, answers, _):
        row = rotate_answer_key(session, log, answers, timedelta(hours=published_for))
    assert row.signs_from is not None
    console.print(f"{row.kid}\nsigns answers from {row.signs_from.isoformat()} on.")
