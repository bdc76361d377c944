"""The command `register`: signs and registers pictures; safe to interrupt and run again."""

from pathlib import Path
from typing import Annotated

import typer

from sdk.cli.connection import (
    FINISHED_LATER,
    FINISHED_THERE,
    ApiKey,
    Home,
    Jobs,
    Json,
    Quiet,
    Url,
    connect,
    say_new,
)
from sdk.cli.files import FileAnswer, answer_for
from sdk.cli.folders import pictures_in
from sdk.cli.output import FAILED_FILE, notes, print_json, say, say_beside, shown, styled
from sdk.cli.progress import OnProgress, each_with_progress
from sdk.client import Client
from sdk.models import DeclaredSource, Registration, SourceAgreement, in_words
from sdk.records import AssetClass
from sdk.registering import register_file
from sdk.signers import LOCAL_PUBLISHER, NoSigner, Signer, profiles, signer_of_home, signer_with


def join(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(register)


def register(
    paths: Annotated[
        list[Path], typer.Argument(help="pictures, or folders of pictures", metavar="FILES|DIR")
    ],
    asset_class: Annotated[AssetClass, typer.Option("--class", help="what these pictures are")] = (
        AssetClass.AUTHENTIC
    ),
    label: Annotated[
        str | None, typer.Option(help="what to call the asset; its file name by default")
    ] = None,
    derived_from: Annotated[list[str] | None, typer.Option(help="record this one was made from")] = None,
    identity_from: Annotated[list[str] | None, typer.Option(help="record whose face it shows")] = None,
    preview: Annotated[
        bool,
        typer.Option(
            help="let the registry keep a preview and a larger copy that is not shown; both confirm matches"
        ),
    ] = True,
    publisher: Annotated[
        str | None, typer.Option(help="which publisher of --home signs: name or id")
    ] = None,
    sign_with: Annotated[Path | None, typer.Option(help="private key for --url")] = None,
    receipts: Annotated[
        Path | None,
        typer.Option(help="folder to save each record's receipt in, as RECORD.json", file_okay=False),
    ] = None,
    intimate: Annotated[
        bool,
        typer.Option("--intimate", help="its picture is shown to reviewers and to you only, on no page"),
    ] = False,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    jobs: Jobs = 2,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Register pictures under a signed statement each."""
    if receipts is not None:
        receipts.mkdir(parents=True, exist_ok=True)
    files = pictures_in(paths)
    declared_sources = {
        "derived_from": tuple(derived_from or ()),
        "identity_from": tuple(identity_from or ()),
    }
    failed = False
    with connect(url, api_key, home, if_new=say_new) as client:
        signer = signer_for(client, sign_with, home, publisher)

        def register_one(path: Path, on_progress: OnProgress) -> FileAnswer[Registration]:
            def ask() -> Registration:
                answer = register_file(
                    client,
                    signer,
                    path,
                    asset_class,
                    label=label,
                    preview=preview,
                    intimate=intimate,
                    declared_sources=declared_sources,
                    on_progress=on_progress,
                )
                if receipts is not None:
                    file = receipts / f"{answer.record.id}.json"
                    file.write_text(answer.receipt.model_dump_json() + "\n")
                return answer

            return answer_for(path, ask, client)

        def show(_: Path, registered: FileAnswer[Registration]) -> None:
            nonlocal failed
            failed = failed or registered.error is not None
            if as_json:
                print_json(registered.as_json())
            else:
                show_registration(registered)

        words = FINISHED_LATER if home else FINISHED_THERE
        each_with_progress("Registering", files, register_one, show, jobs, quiet=quiet, under_way=words)
    raise typer.Exit(FAILED_FILE if failed else 0)


def signer_for(client: Client, sign_with: Path | None, home: Path | None, wanted: str | None) -> Signer:
    """Returns the signer that the options name: a key, or a publisher of --home. Raises BadParameter."""
    if home is None:
        if sign_with is None:
            raise typer.BadParameter("give --sign-with: the private key of the publisher")
        return signer_with(client, sign_with)
    is_new = not profiles(home)
    try:
        signer = signer_of_home(client, home, wanted)
    except NoSigner as error:
        raise typer.BadParameter(str(error)) from None
    if is_new:
        notes.print(f"Enrolled {LOCAL_PUBLISHER!r} in {home} to sign these records.")
    return signer


def show_registration(registered: FileAnswer[Registration]) -> None:
    """One line for people: what was registered, or why it was refused."""
    path, answer, error = shown(registered.path), registered.answer, registered.error
    if error is not None:
        say_beside(styled("red", "refused   "), f"{path}: {error}")
    if answer is None:
        return
    record = answer.record
    word = "known     " if answer.already_registered else "registered"
    disputed = f"  disputed with {', '.join(record.disputed_with)}" if record.disputed_with else ""
    where = f"{path}: record {record.id}, log entry {record.log_index}"
    say_beside(styled("yellow" if disputed else "green", word), where + disputed)
    for note in answer.notes:
        say(styled("yellow", f"not whole: {note}"), indent=12)
    for source in record.declared_sources:
        say(f"{in_words(source.relation)} {source.target}: {_agreement_words(source)}", indent=12)


def _agreement_words(source: DeclaredSource) -> str:
    if source.agreement is SourceAgreement.CONFIRMED:
        changes = ", ".join(in_words(operation) for operation in source.operations)
        return f"confirmed: {changes or 'no change was found'}"
    if source.agreement is SourceAgreement.NOT_CONFIRMED:
        return "NOT confirmed by the comparison"
    return "not compared"
