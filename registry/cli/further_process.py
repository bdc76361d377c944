"""One further process of a server, which `registry.cli.processes` starts: it answers requests.

What this imports at once is little: before the rest is, its memory is hidden from other programs.
"""

import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from indexer.media.privileges import hide_memory
from sdk.cli.stopping import Interrupted, leave, listen_for_signals


def main() -> None:
    """Reads what the first process says, and answers until that one ends."""
    with suppress(OSError):  # elsewhere than on Linux
        hide_memory()
    listen_for_signals()
    ready = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads the pipe once this process is ready
    told = json.loads(sys.stdin.readline())
    _end_with_the_first()
    try:
        _serve(told, ready)
    except Interrupted as interrupted:
        leave(interrupted.number)


def _serve(told: dict[str, Any], ready: int) -> None:
    from registry.app import create_app, running_services
    from registry.cli.home import log_to_stderr, serve_app
    from registry.cli.processes import READY, further_of
    from registry.errors import RegistryError
    from registry.settings import Settings
    from registry.storage import db

    log_to_stderr()
    settings = Settings(**told["settings"])
    listener = socket.socket(fileno=told["listener"])
    try:
        engine = db.connect(told["database"], told["pool"])
        with running_services(settings, engine, further=further_of(told)) as services:
            os.write(ready, READY)
            os.close(ready)
            serve_app(create_app(services), listener)
    except RegistryError as error:
        sys.exit(f"{error.title}: {error} [{error.code}]")


def _end_with_the_first() -> None:
    """Ends this process as a signal does when the first one ends, unless it was told to already."""
    as_it_is = signal.getsignal(signal.SIGTERM)

    def wait() -> None:
        sys.stdin.read()
        if signal.getsignal(signal.SIGTERM) is as_it_is:  # a second signal would cut off what is answered
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="first-process", daemon=True).start()


if __name__ == "__main__":
    main()
