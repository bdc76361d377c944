"""What the operator decides about witnesses: a log that they stopped goes on, or is witnessed no more."""

from typing import Annotated

import typer

from registry.cli.existing import existing_registry
from registry.cli.models import HomeOption
from sdk.cli.output import REFUSED, USAGE, console, fail, notes
from sdk.models import ActType


def resume_signing(
    home: HomeOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="the reason was looked into; do not ask")] = False,
) -> None:
    """Let a log go on that stopped because a witness knows another one; says why it stopped.

    The witnesses are asked again before anything is signed: where they say the same, it stops again.
    """
    from registry.log.transparency_log import has_log
    from registry.log.witnessed_checkpoints import committed_head
    from registry.log.witnessed_checkpoints import resume_signing as resume
    from registry.records.acts import LOCAL_OPERATOR, append_act
    from registry.storage import db

    with existing_registry(home) as (_, engine):
        db.require_migrated(engine)
        with db.transaction(engine) as session:
            why = committed_head(session).stopped if has_log(session) else None
        if why is None:
            console.print("The log is not stopped.")
            return
        notes.print(why, soft_wrap=True)
        if not yes and not typer.confirm("Let it go on?"):
            raise typer.Exit(USAGE)
        with db.transaction(engine) as session:
            resume(session)
            append_act(session, LOCAL_OPERATOR, ActType.RESUME_SIGNING, why=why)
    console.print("The log goes on as soon as its witnesses cosign what is here.")


def give_up_witnesses(
    home: HomeOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Have the log witnessed no more: its checkpoints are published as soon as they are signed.

    Take the policy away from every process first, and stop these. A start without a policy is refused until
    then.
    """
    from registry.log.witnessed_checkpoints import forget_witnessed, newest_witnessed
    from registry.records.acts import LOCAL_OPERATOR, append_act
    from registry.storage import db

    with existing_registry(home) as (settings, engine):
        if settings.witness_policy_file is not None:
            fail(f"{settings.witness_policy_file} still names witnesses: take it away first", REFUSED)
        db.require_migrated(engine)
        with db.transaction(engine) as session:
            row = newest_witnessed(session)
        if row is None:
            console.print("No witness has cosigned this log.")
            return
        notes.print(f"Witnesses cosigned this log at {row.size} entries.")
        if not yes and not typer.confirm("Go on without any?"):
            raise typer.Exit(USAGE)
        with db.transaction(engine) as session:
            append_act(session, LOCAL_OPERATOR, ActType.GIVE_UP_WITNESSES, size=row.size)
            forget_witnessed(session)
    console.print("The log has no witnesses. Whoever wants cosigned receipts of it gets none from now on.")
