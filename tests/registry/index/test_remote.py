"""Nodes that hold no index ask those that do."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx2
import imagehash
import numpy as np
import pytest
from pydantic import SecretStr

from indexer.fingerprints.kinds import PDQ
from registry.api.internal import create_search_node_app
from registry.app import create_app, running_search_node, running_services
from registry.cli.home import listening
from registry.errors import StartRefused
from registry.index.remote import SearchNodes
from sdk.client import Client
from sdk.errors import ServerError
from sdk.models import ActType, FingerprintQuery, FingerprintValue
from tests.pictures import encoded, picture
from tests.world import SeededEmbedder, World

SECRET = "known to all nodes of this registry"


@contextmanager
def search_node(world: World) -> Iterator[str]:
    """A search node that looks for changes by itself only once a minute."""
    settings = world.settings.model_copy(update={"search_secret": SecretStr(SECRET), "poll_interval_s": 60})
    with (
        running_search_node(settings, world.engine) as running,
        listening(create_search_node_app(running)) as url,
    ):
        yield url


def ask(world: World, *addresses: str) -> None:
    """Lets the world's own node ask these search nodes from now on."""
    world.settings = world.settings.model_copy(
        update={"search_secret": SecretStr(SECRET), "search_nodes": ",".join(addresses)}
    )
    world.restart()


def test_what_one_node_registers_the_next_request_finds_on_another(world: World) -> None:
    with ExitStack() as stack:
        addresses = [stack.enter_context(search_node(world)) for _ in range(2)]
        ask(world, *addresses)
        desk = world.enrol("Daily Example")
        node = stack.enter_context(running_services(world.settings, world.engine, SeededEmbedder()))
        url = stack.enter_context(listening(create_app(node)))
        other = stack.enter_context(Client(url, desk.api_key.secret))
        for subject in ("coffee", "cat", "rocket"):
            record = world.register(desk, encoded(subject)).record
            for _ in range(2):  # each search node has its turn
                answer = other.match(encoded(subject, quality=60))
                assert answer.matches[0].record.id == record.id
                assert answer.index.lag == 0
        desk.client.withdraw(record.id)
        for _ in range(2):
            assert other.match(encoded("rocket")).matches == ()
        assert "2 search nodes" in world.operator.status().index
        world.audit()


def test_hashes_of_lists_are_searched_by_a_node_that_computes_none(world: World) -> None:
    dhash = str(imagehash.dhash(picture("coffee")))
    with search_node(world) as address:
        world.settings = world.settings.model_copy(update={"hash_lists": "dhash64.v1"})
        ask(world, address)
        desk = world.enrol("Daily Example")
        record = world.register(desk, encoded("coffee"), preview=False).record
        query = FingerprintQuery(fingerprints=(FingerprintValue(value=f"dhash64.v1:{dhash}"),))
        assert [match.record.id for match in desk.client.match_fingerprints(query).matches] == [record.id]
        world.audit()


def test_when_a_search_node_is_gone_the_other_answers_and_when_both_are_it_is_said(
    world: World,
) -> None:
    with ExitStack() as second:
        with ExitStack() as first:
            ask(world, first.enter_context(search_node(world)), second.enter_context(search_node(world)))
            desk = world.enrol("Daily Example")
            world.register(desk, encoded("coffee"))
        for _ in range(3):
            assert desk.client.match(encoded("coffee", quality=60)).matches
    with pytest.raises(ServerError, match=r"no search node answers; http://\S+ cannot be reached"):
        desk.client.match(encoded("coffee"))
    with pytest.raises(
        ServerError, match=r"search node http://\S+ cannot be checked: it cannot be reached"
    ):
        world.operator.audit()
    assert world.operator.list_acts(act_type=ActType.AUDIT) == []  # it found nothing, and is to come yet
    with pytest.raises(ServerError, match="no search node answers"):
        desk.client.register(encoded("cat"), desk.sign(desk.statement(encoded("cat"), "cat")))
    with search_node(world) as again:
        ask(world, again)
        desk = world.again(desk)
        world.register(desk, encoded("cat"))
        world.audit()


def test_an_audit_looks_into_every_search_node(world: World) -> None:
    with ExitStack() as stack:
        ask(world, stack.enter_context(search_node(world)))
        desk = world.enrol("Daily Example")
        world.register(desk, encoded("coffee"))
        assert desk.client.match(encoded("coffee")).matches  # the search node has read the row as it was
        world.tamper("UPDATE fingerprint SET value = decode(repeat('00', 32), 'hex') WHERE kind = 'pdq.v1'")
        report = world.operator.audit()
        assert any("a value in the index differs" in finding.detail for finding in report.findings)


def test_a_search_node_answers_only_to_who_knows_the_secret(world: World) -> None:
    with (
        pytest.raises(StartRefused, match="TRUEPRINT_SEARCH_SECRET"),
        running_search_node(world.settings, world.engine),
    ):
        pass
    with search_node(world) as url, httpx2.Client(base_url=url) as anybody:
        assert anybody.get("/livez").status_code == 200
        assert anybody.get("/readyz").status_code == 200
        refused = anybody.get("/internal/state", headers={"Authorization": "Bearer guessed"})
        assert refused.status_code == 401
        assert refused.json()["code"] == "not_authenticated"
        unknown = SearchNodes([url], "not known to that search node")
        with pytest.raises(Exception, match="answers 401"):
            unknown.by_kind[PDQ.name].within(np.zeros((1, 32), np.uint8), 3)
        unknown.close()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("nothing.v1/within", bytes(32)),
        ("pdq.v1/within", bytes(33)),
        ("pdq.v1/within", b""),
        ("pdq.v1/x", b""),
    ],
)
def test_a_bad_search_is_a_clear_problem(world: World, path: str, content: bytes) -> None:
    with search_node(world) as url, httpx2.Client(base_url=url) as client:
        answer = client.post(
            f"/internal/{path}?limit=3",
            content=content,
            headers={"Authorization": f"Bearer {SECRET}", "Content-Type": "application/octet-stream"},
        )
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid_request"
