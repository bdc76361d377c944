"""The commands `witness` and `witness-keygen`: cosign checkpoints of logs that only grow.

What serves is imported inside the commands: `trueprint --help` must not wait for it.
"""

from pathlib import Path
from typing import Annotated

import typer

from sdk.cli.output import REFUSED, USAGE, console, fail, notes, shown
from sdk.errors import SdkError


def join(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(witness)
    app.command("witness-keygen")(witness_keygen)


def state_folder(key: Path) -> Path:
    """Where the witness with this key remembers what it cosigned."""
    return key.with_name(key.name + ".state")


def witness_keygen(
    out: Annotated[Path, typer.Argument(help="file for the private key, must not exist")],
    name: Annotated[
        str, typer.Option(help="name of the witness, as an address without scheme: witness.example/w1")
    ],
) -> None:
    """Make the key of a witness, and beside it the folder of what it cosigned."""
    from sdk.witness.keys import BadWitnessKey, new_signer, save_signer
    from sdk.witness.state import create_state

    try:
        signer = new_signer(name)
        create_state(state_folder(out))  # first: a key without it would have to be made anew
        save_signer(signer, out)
    except BadWitnessKey as error:
        fail(f"--name: {error}", USAGE)
    except FileExistsError as error:
        fail(f"{shown(Path(error.filename))} exists; a key is never overwritten", USAGE)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", USAGE)
    kept = f"{shown(out)}: keep it secret. Never run it in two places, never restore an older "
    notes.print(f"{kept}{shown(state_folder(out))}.", soft_wrap=True)
    console.print(signer.key.text())


def witness(
    key: Annotated[Path, typer.Option(help="file that `witness-keygen` wrote")],
    logs: Annotated[Path, typer.Option(help="list of the logs to cosign for (c2sp.org/tlog-list)")],
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="port to listen on")] = 8470,
) -> None:
    """Cosign checkpoints of logs that only grow, so that a log cannot show two people two trees."""
    import logging

    from sdk.bounded_connections import listen
    from sdk.witness.cosigning import Witness
    from sdk.witness.keys import load_signer
    from sdk.witness.logs import read_logs
    from sdk.witness.server import serve
    from sdk.witness.state import State

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        signer, watched, state = load_signer(key), read_logs(logs), State(state_folder(key))
        with listen(host, port) as listener:
            made = Witness(signer, watched, state)
            notes.print(f"Witness of {len(watched)} logs: http://{host}:{listener.getsockname()[1]}/")
            console.print(signer.key.text())
            serve(made, listener)
    except SdkError as error:
        fail(str(error), REFUSED)
