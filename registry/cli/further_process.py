"""One further process of a server, which `registry.cli.processes` starts: it answers requests."""

import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from indexer.media.privileges import hide_memory
from registry.app import create_app, running_services
from registry.cli.home import log_to_stderr, serve_app
from registry.cli.processes import READY, further_of
from registry.errors import RegistryError
from registry.settings import Settings
from registry.storage import db
from sdk.cli.stopping import listen_for_signals


def main() -> None:
    """Reads what the first process says, and answers until that one ends."""
    told = json.loads(sys.stdin.readline())
    listen_for_signals()
    with suppress(OSError):  # elsewhere than on Linux
        hide_memory()
    log_to_stderr()
    _end_with_the_first()
    try:
        _serve(told)
    except RegistryError as error:
        sys.exit(f"{error.title}: {error} [{error.code}]")


def _serve(told: dict[str, Any]) -> None:
    settings = Settings(**told["settings"])
    listener = socket.socket(fileno=told["listener"])
    engine = db.connect(told["database"])
    try:
        with running_services(settings, engine, further=further_of(told)) as services:
            sys.stdout.buffer.write(READY)
            sys.stdout.buffer.flush()
            serve_app(create_app(services), listener)
    finally:
        engine.dispose()


def _end_with_the_first() -> None:
    def wait() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="first-process", daemon=True).start()


if __name__ == "__main__":
    main()
