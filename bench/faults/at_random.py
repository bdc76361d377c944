"""Kills the server, and sometimes its database, at moments that nobody chose, while clients register."""

import random
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil

from bench.faults.counts import Counts
from bench.faults.servers import Clients, Server, lost_of
from bench.faults.site import Site

REGISTRATIONS, KILLS, THREADS = 1000, 20, 8
LIVES_S = (0.5, 30.0)  # from when it is ready to its end, at least and at most
EVERY_DATABASE = 4  # of so many kills one takes the database along


def run(site: Site, counts: Counts, *, small: bool) -> None:
    """Goes on until there are enough registrations and enough kills."""
    if small:
        print("kills at random are not run: they take minutes")
        return
    server = Server(site)
    try:
        _kill_again_and_again(site, server, counts)
    finally:
        server.stop()


def _kill_again_and_again(site: Site, server: Server, counts: Counts) -> None:
    server.start()
    clients = Clients(site, [server], THREADS)
    clients.start()
    killed = databases = 0
    while killed < KILLS or len(clients.said.records) < REGISTRATIONS:
        time.sleep(random.uniform(*LIVES_S))
        server.kill()
        killed += 1
        if killed % EVERY_DATABASE == 0:
            _database_of(site).kill()
            databases += 1
        server.start()
    clients.stop()
    lost = lost_of(clients.said, server.url, site.api_key)
    kind = f"server killed {killed} times, its database {databases} times with it"
    counts.add(kind, "acknowledged", lost, clients.said.wrong, times=len(clients.said.records))


def _database_of(site: Site) -> psutil.Process:
    folder = parse_qs(urlsplit(str(site.settings.database_url)).query)["host"][0]
    return psutil.Process(int((Path(folder) / "postmaster.pid").read_text().split()[0]))
