"""What docs/security.md says of load: attacks on a server, and the slowest `/livez` meanwhile.

    python -m bench.attacks [followers] [lookups] [keyless] [json] [slow]

Each attack comes from threads of this process, on a server with an empty registry of its own. Printed are
the slowest answer of `/livez` (one that takes 15 seconds is given up), what the attackers were answered,
and by how much the server's memory grew.
"""

import argparse
import contextlib
import io
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import psutil
from PIL import Image

from bench.scale import memory_mb, served
from registry.cli.demo import ORIGINALS, package_file
from registry.cli.home import throwaway_home
from registry.settings import OPERATOR_KEY

LASTS_S = 20.0
LOOK_EVERY_S = 0.25
GIVEN_UP_S = 15.0
KEYLESS_BYTES, JSON_BYTES = 200 << 20, 40 << 20


def followers(url: str, key: str) -> list[str]:
    """Forty requests that follow a job which waits behind another."""
    headers = {"authorization": f"Bearer {key}"}
    clip = {"media": ("clip.mp4", package_file(*ORIGINALS["concert.mp4"]).read_bytes())}
    for _ in range(3):  # one is worked on, the last waits
        waiting = headers | {"Prefer": "wait=0"}
        answer = httpx2.post(f"{url}/v1/match", files=clip, headers=waiting, timeout=60)
    events = url + answer.json()["events"]
    ending = time.monotonic() + LASTS_S

    def follow() -> str:
        with httpx2.stream("GET", events, headers=headers, timeout=LASTS_S) as response:
            for _ in response.iter_lines():
                if time.monotonic() > ending:
                    break
            return str(response.status_code)

    return _at_once(40, follow)


def lookups(url: str, _: str) -> list[str]:
    """Forty-five pictures of 0.38 MB on the page, without a key."""
    noise = np.random.default_rng(1).integers(0, 255, (800, 800, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=70)
    return _at_once(45, lambda: _post(f"{url}/lookup", files={"media": ("p.jpg", buffer.getvalue())}))


def keyless(url: str, _: str) -> list[str]:
    """Three bodies of 200 MB to an endpoint that wants a key."""
    content = bytes(KEYLESS_BYTES)
    return _at_once(3, lambda: _post(f"{url}/v1/match", files={"media": content}))


def json(url: str, _: str) -> list[str]:
    """Ten times 40 MB of JSON without a key."""
    content = b"[" + b"{}," * (JSON_BYTES // 3) + b"{}]"
    headers = {"content-type": "application/json"}
    return _at_once(10, lambda: _post(f"{url}/v1/match/fingerprints", content=content, headers=headers))


def slow(url: str, _: str) -> list[str]:
    """A hundred connections that send a byte a second of their headers."""
    host, _, port = url.removeprefix("http://").partition(":")

    def drip() -> str:
        ending = time.monotonic() + LASTS_S
        with socket.create_connection((host, int(port)), timeout=LASTS_S) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
            try:
                while time.monotonic() < ending:
                    connection.sendall(b"x")
                    time.sleep(1)
            except OSError:
                return "dropped"
        return "still open"

    return _at_once(100, drip)


ATTACKS: dict[str, Callable[[str, str], list[str]]] = {
    attack.__name__: attack for attack in (followers, lookups, keyless, json, slow)
}


def _post(address: str, **request: object) -> str:
    return str(httpx2.post(address, timeout=120, **request).status_code)  # type: ignore[arg-type]


def _at_once(number: int, act: Callable[[], str]) -> list[str]:
    def one(_: int) -> str:
        try:
            return act()
        except httpx2.HTTPError as error:
            return type(error).__name__

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


@contextlib.contextmanager
def watched(url: str, server: psutil.Process) -> Iterator[tuple[list[float], list[float]]]:
    """Yields what it goes on to fill: seconds that `/livez` took, and the server's memory in MB."""
    took: list[float] = []
    memory: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(LOOK_EVERY_S):
            begun = time.monotonic()
            with contextlib.suppress(httpx2.HTTPError):
                httpx2.get(f"{url}/livez", timeout=GIVEN_UP_S)
            took.append(time.monotonic() - begun)

    def weigh() -> None:
        while not done.wait(LOOK_EVERY_S):
            memory.append(memory_mb(server)[0])

    threads = [threading.Thread(target=action) for action in (look, weigh)]
    for thread in threads:
        thread.start()
    yield took, memory
    done.set()
    for thread in threads:
        thread.join()


def main() -> None:
    """Runs the attacks that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("attacks", nargs="*", choices=[*ATTACKS, []])
    for name in parser.parse_args().attacks or ATTACKS:
        with throwaway_home() as home, served(home) as (server, url, _):
            key = (home / "keys" / OPERATOR_KEY).read_text().strip()
            httpx2.get(f"{url}/v1/log")
            at_rest = memory_mb(server)[0]
            with watched(url, server) as (took, memory):
                time.sleep(1)
                answers = Counter(ATTACKS[name](url, key))
                time.sleep(1)
            print(
                f"{name}: slowest /livez {max(took):.2f} s; answered {dict(answers)}; "
                f"memory {at_rest:.0f} MB, at most {max(memory):.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
