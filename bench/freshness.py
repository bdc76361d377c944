"""Measures how soon another node's index has what one node registered, and no longer what it withdrew.

    python -m bench.freshness [COUNT]

Two sets of services on one embedded PostgreSQL, in one process. The time is from the answer to the request
until the other's index has the row, without anybody asking it; a poll every half second alone would take
half a second at worst and a quarter on average.
"""

import secrets
import sys
import time
from contextlib import ExitStack

import numpy as np

from indexer.fingerprints.kinds import PDQ, Codes
from indexer.index.port import Searchable
from registry.app import create_app, running_services
from registry.cli.home import listening, open_services, settings_of_folder, throwaway_home
from registry.settings import OPERATOR_KEY
from sdk.client import Client
from sdk.local import local_registration
from sdk.models import FingerprintValue
from sdk.records import AssetClass
from sdk.signers import signer_of_home

COUNT = 200


def main() -> None:
    """Prints the percentiles."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with throwaway_home() as home, ExitStack() as stack:
        settings = settings_of_folder(home)
        services = stack.enter_context(open_services(settings))
        url = stack.enter_context(listening(create_app(services)))
        other = stack.enter_context(running_services(settings, services.engine))
        index = other.index.by_kind[PDQ.name]
        key = (settings.key_folder / OPERATOR_KEY).read_text().strip()
        client = stack.enter_context(Client(url, key))
        signer = signer_of_home(client, home)
        found: dict[str, list[float]] = {"registered": [], "withdrawn": []}
        for _ in range(count):
            code = secrets.token_bytes(32)
            value = FingerprintValue(value=f"{PDQ.name}:{code.hex()}", quality=100)
            digest = secrets.token_hex(32)
            request = local_registration(
                [value], signer.issuer, AssetClass.AUTHENTIC, digest, "an asset", signer.key
            )
            query = np.frombuffer(code, np.uint8)[None]
            record = client.register_fingerprints(request).record
            found["registered"].append(_wait_until(index, query, is_found=True))
            client.withdraw(record.id)
            found["withdrawn"].append(_wait_until(index, query, is_found=False))
    print("| what | median ms | 99th percentile | largest |\n| --- | --- | --- | --- |")
    for name, times in found.items():
        median, high = np.percentile(times, [50, 99])
        print(f"| {name} | {median:.1f} | {high:.1f} | {max(times):.1f} |")


def _wait_until(index: Searchable, code: Codes, *, is_found: bool) -> float:
    """Waits until the code is found, or no longer found, and returns the milliseconds that this took."""
    started = time.perf_counter()
    while bool(index.within(code, 0)) is not is_found:
        time.sleep(0.0005)
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
