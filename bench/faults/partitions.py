"""Two nodes and their database, each in a network of its own, whose links fail in each direction.

Needs Linux, root and `ip` (Debian: iproute2). The database is PostgreSQL on TCP; nodes share a home, as
nodes of one registry do. A link fails by routes that lose what is sent, so that nobody is told: as in a
network, and unlike a closed connection.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

from bench.faults.counts import Counts
from bench.faults.servers import Clients, Server, checkpoint_at, forks, lost_of
from bench.faults.site import Site, make_site
from registry.cli.home import throwaway_home
from registry.storage.embedded import PROGRAM_FOLDERS, EmbeddedDatabase
from sdk.checkpoint import Checkpoint

DATABASE, NODES = "tp-database", ("tp-node-a", "tp-node-b")
CUT_S, HEALED_S = 20.0, 12.0
STARTS_WITHIN_S = 60.0
LONGEST_PAUSE_S = 15.0  # of the node that is not cut off
THREADS = 4
WAYS = ("to the database", "from the database", "both ways")


def missing() -> str | None:
    """Why it cannot be run here; None: it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it needs Linux and root"
    if shutil.which("ip") is None:
        return "it needs `ip` (Debian: iproute2)"
    made = subprocess.run(["ip", "netns", "add", DATABASE], capture_output=True, text=True)
    if made.returncode:
        return f"no network can be made here: {made.stderr.strip()}"
    _ip("netns", "del", DATABASE)
    return None


def run(_: Site, counts: Counts, *, small: bool) -> None:
    """Cuts each node off in each way while clients register at both."""
    reason = "they take minutes" if small else missing()
    if reason is not None:
        print(f"partitions are not run: {reason}")
        return
    with throwaway_home() as folder, _networks():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        embedded = EmbeddedDatabase(folder / "pg")
        site = make_site(folder, embedded.url)
        embedded.stop()
        with _database(folder / "pg"), ExitStack() as stack:
            servers = [_node(site, number) for number in range(1, len(NODES) + 1)]
            for server in servers:
                stack.callback(server.stop)
                server.start()
            _cut_each(site, servers, counts)


def _cut_each(site: Site, servers: Sequence[Server], counts: Counts) -> None:
    seen: list[Checkpoint] = []
    clients = Clients(site, servers, THREADS)
    clients.start()
    time.sleep(HEALED_S)
    for way in WAYS:
        for number, (server, other) in enumerate(((0, 1), (1, 0)), 1):
            begun = time.monotonic()
            _route("add", way, number)
            _watch(servers, seen, CUT_S)
            _route("del", way, number)
            healed = time.monotonic()
            _watch(servers, seen, HEALED_S)
            pause = longest_pause(clients.said.at[servers[other].url], begun, healed)
            after = [at for at in clients.said.at[servers[server].url] if at > healed]
            wrong = [] if after else [f"{way}, node {number}: answers no more after the link is back"]
            if pause > LONGEST_PAUSE_S:
                wrong.append(f"{way}, node {number}: the other one answered nothing for {pause:.0f} s")
            said = f"longest pause of the other node {pause:.1f} s"
            counts.add(f"{way}, node {number}", said, wrong=wrong)
    clients.stop()
    lost = lost_of(clients.said, servers[0].url, site.api_key)
    wrong = clients.said.wrong + forks(site, seen)
    counts.add(
        f"{len(clients.said.records)} registrations, {len(seen)} checkpoints seen",
        f"refused meanwhile: {dict(clients.said.refused)}",
        lost,
        wrong,
    )


def longest_pause(times: Sequence[float], begun: float, ended: float) -> float:
    """The longest time between two of these moments, or between one of them and an end."""
    moments = [begun, *(at for at in sorted(times) if begun < at < ended), ended]
    return max(later - earlier for earlier, later in pairwise(moments))


def _watch(servers: Sequence[Server], seen: list[Checkpoint], seconds: float) -> None:
    ending = time.monotonic() + seconds
    while time.monotonic() < ending:
        for server in servers:
            checkpoint = checkpoint_at(server)
            if checkpoint is not None:
                seen.append(checkpoint)
        time.sleep(0.5)


def _node(site: Site, number: int) -> Server:
    database = str(site.settings.database_url).partition("?")[0].rpartition("/")[2]
    url = f"postgresql://postgres@{_address(number, of_database=True)}/{database}"
    within = ("ip", "netns", "exec", NODES[number - 1])
    return Server(site, host=f"10.77.1{number}.2", within=within, database_url=url)


def _address(number: int, *, of_database: bool) -> str:
    return f"10.77.{number}.{2 if of_database else 1}"


def _route(action: str, way: str, number: int) -> None:
    if way != "from the database":
        _ip("-n", NODES[number - 1], "route", action, "blackhole", _address(number, of_database=True))
    if way != "to the database":
        _ip("-n", DATABASE, "route", action, "blackhole", _address(number, of_database=False))


@contextmanager
def _networks() -> Iterator[None]:
    """A name space for the database and one for each node; the clients are outside."""
    with ExitStack() as stack:
        for name in (DATABASE, *NODES):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for number, node in enumerate(NODES, 1):
            _link(f"tpd{number}", DATABASE, _address(number, of_database=True), f"tpn{number}", node)
            _ip(
                "-n",
                node,
                "addr",
                "add",
                f"{_address(number, of_database=False)}/30",
                "dev",
                f"tpn{number}",
            )
            _link(f"tps{number}", node, f"10.77.1{number}.2", f"tpc{number}", None)
            _ip("addr", "add", f"10.77.1{number}.1/30", "dev", f"tpc{number}")
        yield


def _link(name: str, space: str, address: str, other: str, other_space: str | None) -> None:
    _ip("link", "add", name, "type", "veth", "peer", "name", other)
    _ip("link", "set", name, "netns", space)
    _ip("-n", space, "addr", "add", f"{address}/30", "dev", name)
    _ip("-n", space, "link", "set", name, "up")
    if other_space is None:
        _ip("link", "set", other, "up")
    else:
        _ip("link", "set", other, "netns", other_space)
        _ip("-n", other_space, "link", "set", other, "up")


@contextmanager
def _database(folder: Path) -> Iterator[None]:
    """PostgreSQL in its own name space, on TCP and on the socket in its folder."""
    owner = folder.stat()
    with (folder / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.77.0.0/16 trust\n")
    version = (folder / "PG_VERSION").read_text().strip()
    programs = [path / "postgres" for path in PROGRAM_FOLDERS]
    program = next(one for one in programs if f" {version}." in _version_of(one))
    user = ["setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]
    command = ["ip", "netns", "exec", DATABASE, *user, str(program)]
    with subprocess.Popen(
        [*command, "-D", str(folder), "-h", "*", "-k", str(folder)], stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + STARTS_WITHIN_S
            while not (folder / ".s.PGSQL.5432").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGINT)  # waits for no client, unlike SIGTERM


def _version_of(program: Path) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
