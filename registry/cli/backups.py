"""The commands `trueprint backup` and `trueprint restore`."""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli.existing import existing_registry
from registry.cli.models import HomeOption, settings_of
from registry.errors import RegistryError
from sdk.cli.output import CHECK_FAILED, FAILED_FILE, REFUSED, USAGE, console, fail, notes, shown, styled

Backup = Annotated[Path, typer.Argument(help="folder that `trueprint backup` made")]


def backup(
    to: Annotated[Path, typer.Argument(help="folder that is made; it must not be there")],
    home: HomeOption = None,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="with the private keys, too: whoever reads it can sign")
    ] = False,
) -> None:
    """Copy a registry, running or stopped, into a new folder: rows, log, previews, what was chosen.

    Private keys are left out: they are kept apart, in fewer places. Exit code 1 if previews are missing.
    """
    from registry.operate.backup import make_backup

    target = to.absolute()
    with existing_registry(home) as (settings, engine):
        manifest = make_backup(settings, engine, target, keys=with_keys)
    size = sum(file.bytes for file in manifest.files)
    console.print(f"{shown(target)}: {manifest.log.size} log entries, {size / 1e6:.1f} MB")
    if not with_keys:
        notes.print("The private keys are not in it. No registry starts without them: keep them elsewhere.")
    if manifest.left_out:
        names = ", ".join(map(shown, map(Path, manifest.left_out)))
        notes.print(f"Tables that are not the registry's are not in it: {names}.", soft_wrap=True)
    if target.is_relative_to(settings.home.absolute()):
        notes.print("It lies in the registry's own folder, and is lost with it: copy it to another disk.")
    notes.print(f"`trueprint restore --check {shown(to)}` rehearses that it can be used.")
    if manifest.missing_previews:
        fail(f"{len(manifest.missing_previews)} previews were not there to be copied", FAILED_FILE)


def restore(
    backup: Backup,
    home: HomeOption = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="rehearse: restore into a throwaway folder, audit, say what is wrong"),
    ] = False,
    published: Annotated[
        list[Path] | None,
        typer.Option(help="a checkpoint that was published since, of a witness or the lost home"),
    ] = None,
    nothing_newer: Annotated[
        bool, typer.Option("--nothing-newer", help="nothing was registered after this backup")
    ] = False,
    log_key: Annotated[
        str | None, typer.Option(help="with --check: the log's key that you trust (vkey)")
    ] = None,
) -> None:
    """Restore a backup into a new folder; or with --check try it, and touch nothing.

    The registry that comes of it starts only if its log reaches as far as was published.
    """
    if check:
        _check(backup.absolute(), log_key)
        return
    if home is None:
        fail("say with --home into which new folder, or --check to rehearse", USAGE)
    from registry.operate.restore import restore_backup

    settings = settings_of(home)
    try:
        restored = restore_backup(
            backup.absolute(), settings, published=tuple(published or ()), nothing_newer=nothing_newer
        )
    except RegistryError as error:
        fail(f"{error.title}: {error} [{error.code}]", REFUSED)
    manifest = restored.manifest
    if restored.ignored:
        notes.print(restored.ignored, soft_wrap=True)
    console.print(f"{shown(restored.home)}: {manifest.log.size} log entries of {manifest.log.origin}")
    if not manifest.with_keys:
        keys, publishers = shown(settings.key_folder), shown(settings.home / "publishers")
        notes.print(
            f"Put the private keys into {keys} before it is started, and into {publishers} those of "
            "publishers that sign with --home.",
            soft_wrap=True,
        )
    if settings.log_origin != manifest.log.origin:
        notes.print(
            f"Set TRUEPRINT_LOG_ORIGIN={shown(Path(manifest.log.origin))}; settings.env has what was set."
        )
    if restored.lost_entries:
        fail(
            f"{restored.lost_entries} entries were published that are not in this backup: the registry "
            "will not start, since it would fork the log (docs/operations/backup.md)",
            CHECK_FAILED,
        )


def _check(backup: Path, log_key: str | None) -> None:
    from registry.cli.home import throwaway_home
    from registry.operate.rehearsal import rehearse

    with throwaway_home() as folder:
        rehearsal = rehearse(backup, folder, log_key)
    for sentence in rehearsal.found:
        console.print(styled("green", "ok", f" {sentence}"))
    for sentence in rehearsal.wrong:
        console.print(styled("red", "wrong", f" {sentence}"))
    if rehearsal.wrong:
        fail("this backup cannot be relied on", CHECK_FAILED)
    console.print("This backup can be restored.")
