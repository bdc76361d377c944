"""The commands `trueprint decisions`: what was decided, by which rule, and a person's review."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from sdk import gate_calls
from sdk.cli.connection import ApiKey, Home, Json, Url, connect
from sdk.cli.gate import lines_of
from sdk.cli.output import console, notes, print_json, say, styled, usage_of
from sdk.models import AccountAction, Decision, DecisionState, NewDecisionReview, Outcome, in_words

decisions = typer.Typer(
    name="decisions", help="Decisions of the gate: read, list, export, review.", no_args_is_help=True
)
AT_ONCE = 200  # in one page


def join(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(decisions)


@decisions.command("list")
def list_decisions(
    limit: Annotated[int, typer.Option(min=1, help="how many, newest first")] = 50,
    outcome: Annotated[Outcome | None, typer.Option(help="only these")] = None,
    state: Annotated[DecisionState | None, typer.Option(help="only these")] = None,
    rule: Annotated[str | None, typer.Option(help="only by this rule")] = None,
    content_ref: Annotated[str | None, typer.Option(help="only about this upload")] = None,
    uploader: Annotated[str | None, typer.Option(help="only about uploads of theirs")] = None,
    since: Annotated[datetime | None, typer.Option(help="only from this day on (UTC)")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List decisions of your organisation; with --json all that they say, which is the export."""
    wanted = {
        "outcome": outcome and outcome.value,
        "state": state and state.value,
        "rule": rule,
        "content_ref": content_ref,
        "uploader_ref": uploader,
        "since": since and since.replace(tzinfo=UTC),
    }
    table = Table(box=None, pad_edge=False)
    for column in ("when (UTC)", "outcome", "rule", "upload", "verdict", "id"):
        table.add_column(column, overflow="fold", no_wrap=column in ("outcome", "id"))
    with connect(url, api_key, home) as client:
        cursor: str | None = None
        left = limit
        while left > 0:
            page = client.list_decisions(cursor, min(left, AT_ONCE), **wanted)
            for decision in page.decisions:
                if as_json:
                    print_json(decision.model_dump(mode="json"))
                else:
                    table.add_row(*_cells(decision))
            left, cursor = left - len(page.decisions), page.next
            if cursor is None:
                break
    if not as_json:
        console.print(table)
    if cursor is not None:
        notes.print(f"These are the newest {limit}; there are more: give a larger --limit.")


def _cells(decision: Decision) -> tuple[str, ...]:
    evidence = decision.evidence
    return (
        decision.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        in_words(decision.outcome),
        decision.rule.rule if decision.rule else in_words(decision.state),
        decision.content_ref or "",
        in_words(evidence.verdict) if evidence else "",
        decision.id,
    )


@decisions.command()
def show(
    decision: Annotated[str, typer.Argument(help="id of the decision")],
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show everything that was noted of one decision, and its statement of reasons."""
    with connect(url, api_key, home) as client:
        entries = client.send(gate_calls.decision_history(decision))
    for entry in entries:
        if as_json:
            print_json(entry.model_dump(mode="json"))
            continue
        at = entry.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        say(styled("bold", at, f"  {in_words(entry.state)}, entry {entry.number} of your chain"))
        for line in lines_of(entry):
            say(line, indent=2)
        for answer in entry.answers:
            who = f"{in_words(answer.answer)} ({answer.by})"
            say(f"{answer.question.value}? {who} {answer.evidence}".rstrip(), indent=2)
        if entry.review is not None:
            say(f"reviewed by {entry.review.by}: {entry.review.reason}", indent=2)
    if entries and not as_json and entries[-1].statement is not None:
        say(styled("bold", "What the uploader reads"))
        for paragraph in entries[-1].statement.paragraphs:
            say(paragraph, indent=2)


@decisions.command()
def review(
    decision: Annotated[str, typer.Argument(help="id of the decision")],
    outcome: Annotated[Outcome, typer.Option(help="what is to happen with the upload")],
    by: Annotated[str, typer.Option(help="who decides, by the name that your platform uses")],
    reason: Annotated[str, typer.Option(help="why")],
    confirmed: Annotated[
        bool, typer.Option("--violation/--no-violation", help="whether the upload breaks the policy")
    ],
    account: Annotated[AccountAction | None, typer.Option(help="what happens to the account")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Decide as a person what was held, or otherwise than the rule (needs `review_decisions`)."""
    try:
        new = NewDecisionReview(
            by=by, reason=reason, confirmed=confirmed, outcome=outcome, account_action=account
        )
    except ValidationError as error:
        usage_of(error)
    with connect(url, api_key, home) as client:
        reviewed = client.send(gate_calls.review_decision(decision, new))
    if as_json:
        print_json(reviewed.model_dump(mode="json"))
        return
    for line in lines_of(reviewed):
        say(line)
