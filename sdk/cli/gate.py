"""The command `gate`: what does the platform's policy make of uploads?"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError
from rich.text import Text

from sdk.cli.connection import FINISHED_LATER, FINISHED_THERE, ApiKey, Home, Jobs, Json, Quiet, Url, connect
from sdk.cli.files import FileAnswer, answer_for
from sdk.cli.folders import pictures_in
from sdk.cli.output import FAILED_FILE, MATCHED, NOTHING_MATCHED, print_json, say, shown, styled, usage_of
from sdk.cli.progress import OnProgress, each_with_progress
from sdk.client import Client
from sdk.models import Audience, Decision, DecisionState, Declared, Effort, GateContext, Outcome, in_words

COLOURS = {Outcome.ALLOW: "green", Outcome.HOLD: "yellow", Outcome.REFUSE: "red"}


def join(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(gate)


def gate(
    paths: Annotated[
        list[Path], typer.Argument(help="pictures and videos, or folders of them", metavar="FILES|DIR")
    ],
    policy: Annotated[
        str | None, typer.Option(help="name, name@version or SHA-256 of a pack; else the active one")
    ] = None,
    declared: Annotated[
        list[Declared] | None, typer.Option(help="what the uploader says of it; repeatable")
    ] = None,
    signal: Annotated[
        list[str] | None, typer.Option(help="a word that a classifier of yours says; repeatable")
    ] = None,
    text: Annotated[str, typer.Option(help="what is written beside it; it is not kept")] = "",
    audience: Annotated[Audience, typer.Option(help="who will see it")] = Audience.UNKNOWN,
    language: Annotated[str, typer.Option(help="of the statement of reasons")] = "en",
    uploader: Annotated[str | None, typer.Option(help="who uploads it; only a digest is kept")] = None,
    effort: Annotated[
        Effort | None,
        typer.Option(help="how closely a still is looked at; never less closely than the policy says"),
    ] = None,
    deadline_ms: Annotated[int | None, typer.Option(min=1, help="milliseconds")] = None,
    on_failure: Annotated[
        Literal["allow", "hold", "refuse"], typer.Option(help="what happens when nothing can be decided")
    ] = "hold",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="decide, and count it for nothing")] = False,
    on_device: Annotated[
        bool,
        typer.Option(
            "--on-device",
            help="fingerprint here and send no picture; that tells no forgery from its original",
        ),
    ] = False,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    jobs: Jobs = 2,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Decide about uploads under a policy. Exit code 10 if any was held or refused."""
    if effort is not None and on_device:
        raise typer.BadParameter("--effort and --on-device exclude each other: no picture is compared")
    files = pictures_in(paths)
    try:
        said = GateContext.model_validate(
            {
                "policy": policy,
                "declared": declared or (),
                "signals": signal or (),
                "text": text,
                "audience": audience,
                "language": language,
                "uploader_ref": uploader,
                "effort": effort,
                "deadline_ms": deadline_ms,
                "on_failure": on_failure,
                "dry_run": dry_run,
            }
        )
    except ValidationError as error:
        usage_of(error)
    stopped = failed = False
    with connect(url, api_key, home) as client, _asking(client, said, on_device, jobs) as ask:

        def decide(path: Path, on_progress: OnProgress) -> FileAnswer[Decision]:
            return answer_for(path, partial(ask, path, on_progress), client)

        def show(_: Path, asked: FileAnswer[Decision]) -> None:
            nonlocal stopped, failed
            decision = asked.answer
            stopped = stopped or (
                decision is not None and decision.outcome in (Outcome.HOLD, Outcome.REFUSE)
            )
            failed = failed or asked.error is not None
            if as_json:
                print_json(asked.as_json())
            else:
                _show(asked)

        words = FINISHED_LATER if home else FINISHED_THERE
        each_with_progress("Deciding", files, decide, show, jobs, quiet=quiet, under_way=words)
    raise typer.Exit(FAILED_FILE if failed else MATCHED if stopped else NOTHING_MATCHED)


@contextmanager
def _asking(
    client: Client, said: GateContext, on_device: bool, jobs: int
) -> Iterator[Callable[[Path, OnProgress], Decision]]:
    """Yields what asks about one file, by its bytes or by what is computed of it here."""

    def of(path: Path) -> GateContext:
        return said.model_copy(update={"content_ref": _reference(path)})

    if not on_device:
        yield lambda path, on_progress: client.gate(
            path.read_bytes(), of(path), wait=True, on_progress=on_progress
        )
        return
    from sdk.local import decoders, local_query  # imaging libraries, needed for this option only

    with decoders(jobs) as pool:
        yield lambda path, _: client.gate(local_query(path, decoders=pool), of(path))


def _reference(path: Path) -> str | None:
    """The file's name, as the name of the upload; None where it could not be shown."""
    name = shown(Path(path.name))
    return name if 0 < len(name) <= 200 else None


def _show(asked: FileAnswer[Decision]) -> None:
    say(styled("bold", shown(asked.path)))
    if asked.error is not None:
        say(styled("red", str(asked.error)), indent=2)
    if asked.answer is not None:
        for line in lines_of(asked.answer):
            say(line, indent=2)


def lines_of(decision: Decision) -> Sequence[str | Text]:
    """What people read of a decision, without its statement of reasons."""
    outcome = in_words(decision.outcome)
    action = f", account: {in_words(decision.account_action)}" if decision.account_action else ""
    label = f" “{decision.label.text}”" if decision.label else ""
    lines: list[str | Text] = [styled(COLOURS.get(decision.outcome, "cyan"), f"{outcome}{label}{action}")]
    if decision.rule is not None:
        rule = decision.rule
        lines.append(f"{rule.pack} {rule.version}, rule {rule.rule}: {rule.why}")
    if decision.failure is not None:
        lines.append(f"{decision.failure.detail} [{decision.failure.code}]")
    if decision.state is DecisionState.WAITING:
        lines.append(f"the video is worked on by job {decision.job}")
    if decision.evidence is not None and decision.state is not DecisionState.WAITING:
        lines.append(decision.evidence.sentence)
    lines.append(f"why, for the uploader: {decision.links.explain}")
    lines.append(f"decision {decision.id}")
    return lines
