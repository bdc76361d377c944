"""`register`: sign and register pictures; safe to interrupt and run again."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer
from joserfc.jwk import ECKey

from sdk.cli.connection import ApiKey, Home, Jobs, Json, Quiet, Url, connect, profiles
from sdk.cli.enrolment import add_signing_key
from sdk.cli.output import (
    FAILED_FILE,
    OnProgress,
    console,
    each_with_progress,
    notes,
    pictures_in,
    print_json,
    styled,
)
from sdk.client import Client
from sdk.errors import HOPELESS, ProblemError, SdkError
from sdk.keys import load_private_key
from sdk.models import NewPublisher, Registration, in_words
from sdk.records import SHOWN_TEXT, AssetClass, new_statement, sign_statement

LOCAL_PUBLISHER = "Local publisher"


@dataclass(frozen=True)
class Signer:
    """Who signs, and with which key."""

    issuer: str
    key: ECKey


def join(app: typer.Typer) -> None:
    """Add this command."""
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
        bool, typer.Option(help="allow the registry to keep a small preview, which confirms matches")
    ] = True,
    publisher: Annotated[
        str | None, typer.Option(help="which publisher of --home signs: name or id")
    ] = None,
    sign_with: Annotated[Path | None, typer.Option(help="private key for --url")] = None,
    receipts: Annotated[
        Path | None, typer.Option(help="folder to save each record's receipt in, as RECORD.json")
    ] = None,
    intimate: Annotated[
        bool, typer.Option("--intimate", help="shown blurred, its preview to nobody without a key")
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
    with connect(url, api_key, home) as client:
        signer = signer_for(client, sign_with, home, publisher)

        def one(path: Path, on_progress: OnProgress) -> dict[str, Any]:
            return register_file(
                client,
                signer,
                path,
                asset_class,
                label=label,
                preview=preview,
                intimate=intimate,
                declared_sources=declared_sources,
                receipts=receipts,
                on_progress=on_progress,
            )

        for path, line in each_with_progress("Registering", files, one, jobs, quiet=quiet):
            failed = failed or line["error"] is not None
            _show(path, line, as_json)
    raise typer.Exit(FAILED_FILE if failed else 0)


def signer_for(client: Client, sign_with: Path | None, home: Path | None, wanted: str | None) -> Signer:
    """Who signs: a key for --url, else a publisher of the home; in a new home one is enrolled."""
    if home is None:
        if sign_with is None:
            raise typer.BadParameter("give --sign-with: the private key of the publisher")
        return Signer(client.who_am_i().issuer, load_private_key(sign_with))
    known = profiles(home)
    if not known and wanted is None:
        # A throwaway registry for an evaluation: nobody has to enrol first.
        new = NewPublisher(name=LOCAL_PUBLISHER, contact="local")
        add_signing_key(client, client.enrol(new), None, home)
        notes.print(f"Enrolled {LOCAL_PUBLISHER!r} in {home} to sign these records.")
        known = profiles(home)
    chosen = [one for one in known if wanted in (None, one.name, one.publisher)]
    if not chosen:
        names = ", ".join(one.name for one in known) or "nobody"
        raise typer.BadParameter(f"no publisher {wanted!r} in this home; enrolled: {names}")
    return Signer(chosen[0].issuer, load_private_key(Path(chosen[0].key_file)))


def register_file(
    client: Client,
    signer: Signer,
    path: Path,
    asset_class: AssetClass = AssetClass.AUTHENTIC,
    *,
    label: str | None = None,
    preview: bool = True,
    intimate: bool = False,
    declared_sources: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    receipts: Path | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Sign and register one file; what is wrong with the file is in the line's `error`.

    Raises one of HOPELESS when no other file would fare better.
    """
    label = label or label_of(path)
    line: dict[str, Any] = {"file": str(path), "record": None, "label": label, "status": None}
    line |= {"disputed_with": [], "declared_sources": [], "log_index": None, "error": None}
    try:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        statement = new_statement(
            signer.issuer,
            asset_class,
            digest,
            label,
            preview_allowed=preview,
            intimate=intimate,
            **declared_sources,
        )
        answer = client.register(content, sign_statement(statement, signer.key), on_progress=on_progress)
        if receipts is not None:
            (receipts / f"{answer.record.id}.json").write_text(answer.receipt.model_dump_json() + "\n")
    except HOPELESS:
        raise
    except (SdkError, OSError) as error:
        return line | {"error": error_of(error)}
    return line | _outcome(answer)


def label_of(path: Path) -> str:
    """The file's name, as far as it can be shown to strangers."""
    name = path.name.encode("utf-8", "replace").decode()
    return "".join(one if re.match(SHOWN_TEXT, one) else "?" for one in name)


def error_of(error: Exception) -> dict[str, str]:
    """Why a file failed, with its stable code."""
    if isinstance(error, ProblemError):
        return {"code": error.code, "title": error.title, "detail": error.detail}
    return {"code": "client", "title": type(error).__name__, "detail": str(error)}


def _outcome(answer: Registration) -> dict[str, Any]:
    record = answer.record
    status = "already_registered" if answer.already_registered else "registered"
    return {
        "record": record.id,
        "label": record.label,
        "status": status,
        "disputed_with": list(record.disputed_with),
        "declared_sources": [one.model_dump(mode="json") for one in record.declared_sources],
        "log_index": record.log_index,
    }


def _show(path: Path, line: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(line)
    elif line["error"]:
        title, detail = line["error"]["title"], line["error"]["detail"]
        console.print(styled("red", "refused   ", f"  {path}: {title}{': ' + detail if detail else ''}"))
    else:
        word = "known     " if line["status"] == "already_registered" else "registered"
        others = ", ".join(line["disputed_with"])
        disputed = f"  disputed with {others}" if others else ""
        where = f"  {path}: record {line['record']}, log entry {line['log_index']}"
        console.print(styled("yellow" if disputed else "green", word, where + disputed))
        for source in line["declared_sources"]:
            found = ", ".join(source["operations"]) or "no change was found"
            said = {"confirmed": f"confirmed: {found}", "not_confirmed": "NOT confirmed by the comparison"}
            relation = in_words(source["relation"])
            agreement = said.get(source["agreement"], "not compared")
            words = f"            {relation} {source['target']}: {agreement}"
            console.print(words, soft_wrap=True, markup=False)
