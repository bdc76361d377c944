"""What every answer carries, under which names, and what is written of it."""

import logging
from pathlib import Path
from typing import Any

import httpx2
import pytest

from registry.api.hosts import LOOPBACK, allowed_hosts
from registry.cli.home import ACCESS_LOG, without_query
from registry.settings import Settings
from tests.pictures import encoded
from tests.registry.api.test_http import problem_of
from tests.world import DatabaseServer, Party, World

STORED_NOWHERE = "private, no-store"


@pytest.fixture
def desk(world: World) -> Party:
    return world.enrol("Daily Example")


def asked_of(world: World, key: str | None = None) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx2.Client(base_url=world.url, headers=headers)


def test_no_cache_keeps_what_is_answered_to_one_caller(world: World, desk: Party) -> None:
    record = world.register(desk, encoded("coffee")).record
    media: dict[str, Any] = {"files": {"media": encoded("coffee", quality=60)}}
    with asked_of(world, desk.api_key.secret) as http:
        private = [
            http.post("/v1/match", **media),
            http.post("/v1/compare", **media, data={"record": record.id}),
            http.post("/v1/records", **media, data={"statement": "a.b.c"}),
            http.get("/v1/whoami"),
            http.get("/v1/webhook-secret"),
            http.get("/v1/jobs/none"),
            http.get("/v1/status"),
            http.get(f"/v1/records/{record.id}"),
            http.post("/v1/api-keys", json={}),
        ]
    with asked_of(world) as http:
        private += [
            http.post("/v1/match", **media),
            http.post("/lookup", **media),
            http.get("/v1/jobs/none"),
            http.get("/v1/records/none"),
            http.get("/nowhere"),
        ]
        public = [http.get(path) for path in (f"/v1/records/{record.id}", "/", "/log/checkpoint", "/livez")]
    for answer in private:
        assert answer.headers["cache-control"] == STORED_NOWHERE, answer.request.url
    for answer in public:
        assert "no-store" not in answer.headers.get("cache-control", ""), answer.request.url
    for answer in (*private, *public):
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"], answer.request.url


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/records", {"GET", "POST"}),
        ("GET", "/v1/match", {"POST"}),
        ("PUT", "/v1/records/none", {"GET", "DELETE"}),
        ("PATCH", "/v1/publishers", {"GET", "POST"}),
        ("PUT", "/livez", {"GET"}),
        ("PUT", "/", {"GET"}),
    ],
)
def test_a_method_that_is_not_there_is_answered_with_those_that_are(
    world: World, method: str, path: str, allowed: set[str]
) -> None:
    with asked_of(world) as http:
        answer = http.request(method, path)
    assert problem_of(answer)["code"] == "method_not_allowed"
    assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == allowed


def test_what_a_registry_runs_on_is_told_to_keys(world: World, desk: Party) -> None:
    with asked_of(world) as http:
        assert problem_of(http.get("/v1/status"))["code"] == "not_authenticated"
    assert desk.client.status().records == 0


def status_under(world: World, host: str, path: str = "/v1/records") -> int:
    with asked_of(world) as http:
        return http.get(path, headers={"Host": host}).status_code


def test_on_the_loopback_no_other_name_is_answered_to(world: World) -> None:
    for host in ("localhost", "localhost:8000", "127.0.0.1:1", "LOCALHOST.", "[::1]:80"):
        assert status_under(world, host) == 200, host
    for host in (
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::2]",
        "x:y:z",
        "localhost:80@x",
    ):
        assert status_under(world, host) == 421, host
        assert status_under(world, host, "/livez") == 200
    with asked_of(world) as http:
        assert problem_of(http.get("/", headers={"Host": "evil.example"}))["code"] == "unknown_host"


def test_the_names_that_are_set_are_the_only_ones(database_server: DatabaseServer, tmp_path: Path) -> None:
    names = "Registry.example, *.nodes.example"
    with World(database_server, tmp_path, allowed_hosts=names + ",127.0.0.1") as world:
        for host in ("registry.example", "registry.example:443", "a.nodes.example"):
            assert status_under(world, host) == 200, host
        for host in ("localhost", "a.registry.example", "nodes.example", "evilnodes.example"):
            assert status_under(world, host) == 421, host


@pytest.mark.parametrize(
    ("host", "names", "answered_to"),
    [
        ("127.0.0.1", "", LOOPBACK),
        ("::1", "", LOOPBACK),
        ("localhost", "", LOOPBACK),
        ("0.0.0.0", "", ("*",)),
        ("::", "", ("*",)),
        ("registry.example", "", ("*",)),
        ("0.0.0.0", "a.example, B.example", ("a.example", "b.example")),
    ],
)
def test_which_names_are_answered_to(
    tmp_path: Path, host: str, names: str, answered_to: tuple[str, ...]
) -> None:
    assert allowed_hosts(Settings(home=tmp_path, host=host, allowed_hosts=names)) == answered_to


def test_a_line_about_a_request_has_no_query(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger(ACCESS_LOG)
    logger.addFilter(without_query)
    try:
        with caplog.at_level(logging.INFO, ACCESS_LOG):
            logger.info('%s - "%s %s HTTP/%s" %d', "1.2.3.4:5", "GET", "/v1/records?key=secret", "1.1", 200)
    finally:
        logger.removeFilter(without_query)
    assert caplog.messages == ['1.2.3.4:5 - "GET /v1/records HTTP/1.1" 200']
