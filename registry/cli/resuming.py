"""The command `trueprint resume-signing`: the operator has looked, and lets a stopped log go on."""

from typing import Annotated

import typer

from registry.cli.models import HomeOption, settings_of
from registry.errors import RegistryError
from sdk.cli.connection import no_registry_in
from sdk.cli.output import REFUSED, console, fail, notes
from sdk.models import ActType

USAGE = 2


def resume_signing(
    home: HomeOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="the reason was looked into; do not ask")] = False,
) -> None:
    """Let a log go on that stopped because a witness knows another one; says why it stopped.

    The witnesses are asked again before anything is signed: where they say the same, it stops again.
    """
    from registry.cli.home import open_database
    from registry.log.transparency_log import has_log
    from registry.log.witnessed_checkpoints import committed_head
    from registry.log.witnessed_checkpoints import resume_signing as resume
    from registry.records.acts import LOCAL_OPERATOR, append_act
    from registry.storage import db

    settings = settings_of(home)
    if settings.database_url is None and not settings.database_folder.exists():
        fail(no_registry_in(settings.home), REFUSED)
    try:
        with open_database(settings) as engine:
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
    except RegistryError as error:
        fail(f"{error.title}: {error} [{error.code}]", REFUSED)
    console.print("The log goes on as soon as its witnesses cosign what is here.")
