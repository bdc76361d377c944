"""Operator commands: they join `trueprint` where the registry is installed.

The service itself is imported inside each command: it brings torch, and `trueprint --help` must not wait
for that.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from registry.cli.backups import backup, restore
from registry.cli.existing import existing_registry
from registry.cli.models import HomeOption, models, settings_of
from registry.cli.policies import policy
from registry.cli.registry_keys import registry_keys
from registry.cli.resuming import give_up_witnesses, resume_signing
from registry.errors import RegistryError
from sdk.cli.connection import ApiKey, Home, Jobs, Json, Quiet, Url, connect, say_new
from sdk.cli.files import answer_for
from sdk.cli.folders import pictures_in
from sdk.cli.output import REFUSED, USAGE, console, fail, notes, print_json
from sdk.cli.register import signer_for
from sdk.registering import register_file

if TYPE_CHECKING:
    from registry.cli.evaluation import Evaluation

ServerRole = Literal["all", "api", "search", "worker"]


def join(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (serve, migrate, backup, restore, resume_signing, give_up_witnesses, demo):
        app.command()(command)
    app.command("eval")(evaluate_command)
    app.add_typer(models)
    app.add_typer(registry_keys)
    app.add_typer(policy)


def serve(
    home: HomeOption = None,
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on")] = None,
    role: Annotated[ServerRole | None, typer.Option(help="what this process does")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="processes that answer requests, one a core")
    ] = None,
    init: Annotated[
        bool, typer.Option("--init", help="set up an empty database given by TRUEPRINT_DATABASE_URL")
    ] = False,
    new_log: Annotated[
        bool,
        typer.Option("--new-log", help="with --init: no log with this TRUEPRINT_LOG_ORIGIN was ever begun"),
    ] = False,
    checkpoint_lost: Annotated[
        bool,
        typer.Option(
            "--checkpoint-lost", help="the database is the newest; only the file `checkpoint` is lost"
        ),
    ] = False,
) -> None:
    """Run the registry. An embedded database that is empty is set up by itself."""
    from indexer.media.privileges import hide_memory
    from registry.api.internal import create_search_node_app
    from registry.app import create_app, running_search_node, running_services
    from registry.cli.home import log_to_stderr, remember_operator, serve_app
    from registry.cli.processes import further_processes, share_of
    from registry.operate.bootstrap import initialise, take_as_published
    from registry.settings import SEARCH
    from registry.storage.opening import open_database
    from sdk.bounded_connections import listen

    settings = settings_of(home)
    address = host or settings.host, settings.port if port is None else port
    chosen = {"role": role or settings.role, "processes": processes or settings.processes}
    settings = share_of(settings.model_copy(update={"host": address[0], "port": address[1], **chosen}))
    if settings.role == SEARCH and settings.processes > 1:
        fail("a search node is one process: its searches use all cores", USAGE)
    log_to_stderr()
    try:
        with listen(*address) as listener, open_database(settings) as engine:
            reached = f"http://{address[0]}:{listener.getsockname()[1]}/"  # of port 0, the one that is free
            with suppress(OSError):  # elsewhere than on Linux
                hide_memory()  # and the keys in it, from other programs of the same user
            if init or settings.database_url is None:
                keep = partial(remember_operator, settings)
                secret = initialise(settings, engine, keep, new_log=new_log)
                if secret:
                    notes.print(
                        f"A new registry in {settings.home}. "
                        f"The operator's API key, shown this once:\n  {secret}"
                    )
            if checkpoint_lost:
                take_as_published(settings, engine)
            if settings.role == SEARCH:
                with running_search_node(settings, engine) as node:
                    notes.print(f"Trueprint search node: {reached}")
                    serve_app(create_search_node_app(node), listener)
                return
            with (
                running_services(settings, engine) as services,
                further_processes(settings, engine, listener, services) as ends_others,
            ):
                notes.print(f"Trueprint: {reached}  log key {services.log.key.text()}")
                app = create_app(services)
                app.state.on_stop += ends_others
                serve_app(app, listener)
    except RegistryError as error:
        fail(f"{error.title}: {error} [{error.code}]", REFUSED)


def migrate(home: HomeOption = None) -> None:
    """Bring the database to the newest migration; have a backup."""
    from registry.operate.bootstrap import migrate_and_note

    with existing_registry(home) as (_, engine):
        migrate_and_note(engine)
    console.print("The database is at the newest migration.")


def demo(
    home: Annotated[Path, typer.Option(help="folder of the demonstration's registry")] = Path(".home/demo"),
    port: Annotated[int | None, typer.Option(help="keep serving the page on this port")] = None,
) -> None:
    """Register real photographs, match uploads made from them, verify a receipt."""
    from registry.cli.demo import run_demo

    try:
        run_demo(home, port)
    except RegistryError as error:
        fail(f"{error.title}: {error} [{error.code}]", REFUSED)


def evaluate_command(
    references: Annotated[Path, typer.Argument(help="folder of originals")],
    queries: Annotated[Path, typer.Argument(help="folder of uploads")],
    truth: Annotated[Path, typer.Argument(help="CSV with the columns query and ref (empty: none)")],
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    sign_with: Annotated[Path | None, typer.Option(help="private key for --url")] = None,
    jobs: Jobs = 2,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge the registry on your own pictures: register, match, compare with the truth.

    Without --url and --home in a throwaway registry, which is gone afterwards.
    """
    from registry.cli.evaluation import evaluate, read_truth
    from registry.cli.home import throwaway_home

    try:
        wanted = read_truth(truth)
    except RegistryError as error:
        fail(str(error), 2)
    originals, uploads = pictures_in([references]), pictures_in([queries])

    absent = len(set(wanted) - {path.stem for path in uploads})
    if absent:
        notes.print(f"{absent} queries of {truth} are not in {queries}; they are left out.")
    with ExitStack() as stack:
        if_new: Callable[[Path], None] = say_new
        if url is None and home is None:
            home, if_new = stack.enter_context(throwaway_home()), _say_nothing
        client = stack.enter_context(connect(url, api_key, home, if_new=if_new))
        signer = signer_for(client, sign_with, home, None)

        def register(path: Path) -> str | None:
            answer = answer_for(path, lambda: register_file(client, signer, path)).answer
            return answer.record.id if answer else None

        result = evaluate(client, register, originals, uploads, wanted, jobs, quiet=quiet)
    if as_json:
        print_json(asdict(result))
    else:
        _show(result)


def _say_nothing(_: Path) -> None:
    """Of a registry that is gone at the end."""


def _show(result: "Evaluation") -> None:
    console.print(
        f"{result.references} references ({result.references_refused} refused), "
        f"{result.queries} queries, {result.positives} of them with a reference"
    )
    rows = {
        "µAP": f"{result.micro_average_precision:.3f}",
        "recall at precision 0.9": f"{result.recall_at_precision_90:.3f}",
        "recall at precision 1.0": f"{result.recall_at_precision_100:.3f}",
        "recall@1": f"{result.recall_at_1:.3f}",
        "queries with a false match": str(result.false_matches),
        "references missed": str(result.missed),
        "files that failed": str(result.errors),
        "ms per reference, per query": f"{result.ms_per_reference:.0f}, {result.ms_per_query:.0f}",
    }
    for name, value in rows.items():
        console.print(f"  {name:28} {value}")
    for name, counted in result.by_transform.items():
        console.print(f"  found after {name:16} {counted.found} of {counted.positives}")
