"""Another descriptor is chosen: the old one answers until every record has moved, and nothing is lost."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import Session, select

from indexer.fingerprints.compute import fingerprint_frame
from indexer.fingerprints.kinds import DESCRIPTOR, DESCRIPTOR_V1
from registry.jobs.reembedding import Reembedding, count_behind
from registry.settings import Settings
from registry.storage.models import Fingerprint, Record
from sdk.local import local_registration
from sdk.models import FingerprintValue
from sdk.records import AssetClass
from tests.pictures import encoded, picture, pixels
from tests.world import DatabaseServer, World

NAMES = ("coffee", "cat", "astronaut", "rocket")


@pytest.fixture
def old_world(database_server: DatabaseServer, home: Path) -> Iterator[World]:
    """A registry whose pictures were described by the first descriptor; the real networks."""
    made = World(database_server, home, descriptor=DESCRIPTOR_V1.name)
    made.embedder = None
    with made:
        yield made


def choose(world: World, kind: str) -> None:
    world.settings = world.settings.model_copy(update={"descriptor": kind})


def descriptors(world: World) -> dict[str, list[str]]:
    with Session(world.engine) as session:
        rows = session.exec(select(Fingerprint.record_id, Fingerprint.kind)).all()
    found: dict[str, list[str]] = {}
    for record, kind in rows:
        if kind.startswith("tp-desc"):
            found.setdefault(record, []).append(kind)
    return found


def wait_until_described(world: World) -> None:
    deadline = time.monotonic() + 60
    while world.operator.status().to_describe_anew:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def crop(name: str) -> bytes:
    whole = picture(name)
    return encoded(whole.crop((whole.width // 8, whole.height // 8, whole.width, whole.height)), quality=70)


def test_records_move_to_the_new_descriptor_and_are_found_before_and_after(old_world: World) -> None:
    party = old_world.enrol("Agency")
    for name in NAMES:
        old_world.register(party, encoded(name), name)
    assert set(map(tuple, descriptors(old_world).values())) == {(DESCRIPTOR_V1.name,)}
    choose(old_world, DESCRIPTOR.name)
    old_world.restart()
    wait_until_described(old_world)
    assert set(map(tuple, descriptors(old_world).values())) == {(DESCRIPTOR.name,)}
    with Session(old_world.engine) as session:
        old_world.services.index.catch_up(session)  # the last rows moved a moment ago
    assert old_world.services.index.descriptors_held() == [DESCRIPTOR.name]
    for name in NAMES:
        assert old_world.again(party).client.match(crop(name)).matches[0].record.label == name
    old_world.audit()
    old_world.restart()  # from the snapshot, and from rows that changed their kind
    assert old_world.again(party).client.match(crop("cat")).matches[0].record.label == "cat"
    old_world.audit()


def test_the_old_descriptor_answers_for_records_that_have_not_moved(
    old_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    party = old_world.enrol("Agency")
    for name in NAMES:
        old_world.register(party, encoded(name), name)
    choose(old_world, DESCRIPTOR.name)
    monkeypatch.setattr(Reembedding, "_run", lambda self: None)  # it was killed at once
    old_world.restart()
    agency = old_world.again(party)
    answer = agency.client.match(crop("coffee"))
    assert answer.matches[0].record.label == "coffee"
    assert set(answer.computed.kinds) >= {DESCRIPTOR.name, DESCRIPTOR_V1.name}
    old_world.register(agency, encoded("hubble"), "hubble")
    assert sorted(map(tuple, descriptors(old_world).values())) == [
        *[(DESCRIPTOR_V1.name,)] * len(NAMES),
        (DESCRIPTOR.name,),
    ]
    assert old_world.operator.status().to_describe_anew == len(NAMES)
    old_world.audit()
    monkeypatch.undo()
    old_world.restart()
    wait_until_described(old_world)
    old_world.audit()


def test_fingerprints_without_a_picture_keep_their_descriptor_and_are_still_found(old_world: World) -> None:
    party = old_world.enrol("A person")
    embedder = old_world.services.uploads.embedders.wanted
    made = fingerprint_frame(pixels("astronaut"), embedder).fingerprints
    values = [
        FingerprintValue(
            value=fingerprint.text(), orientation=fingerprint.orientation, quality=fingerprint.quality
        )
        for fingerprint in made
    ]
    request = local_registration(
        values, party.publisher.issuer, AssetClass.AUTHENTIC, "a" * 64, "by fingerprints", party.key
    )
    party.client.register_fingerprints(request)
    old_world.register(party, encoded("cat"), "cat")
    choose(old_world, DESCRIPTOR.name)
    old_world.restart()
    wait_until_described(old_world)
    assert sorted(map(tuple, descriptors(old_world).values())) == [
        (DESCRIPTOR_V1.name,),
        (DESCRIPTOR.name,),
    ]
    answer = old_world.again(party).client.match(encoded("astronaut", quality=40))
    assert answer.matches[0].record.label == "by fingerprints"
    old_world.audit()


def test_withdrawn_records_and_lost_previews_are_left_alone(old_world: World) -> None:
    party = old_world.enrol("Agency")
    kept, withdrawn, lost = (
        old_world.register(party, encoded(name), name).record.id for name in ("coffee", "cat", "rocket")
    )
    party.client.withdraw(withdrawn)
    with Session(old_world.engine) as session:
        record = session.get(Record, lost)
        assert record is not None
        assert record.preview_key is not None
        old_world.services.blobs.delete(record.preview_key)
    choose(old_world, DESCRIPTOR.name)
    old_world.restart()
    deadline = time.monotonic() + 60
    while old_world.operator.status().to_describe_anew > 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert descriptors(old_world) == {
        kept: [DESCRIPTOR.name],
        withdrawn: [DESCRIPTOR_V1.name],
        lost: [DESCRIPTOR_V1.name],
    }
    with Session(old_world.engine) as session:
        assert count_behind(old_world.services, session) == 1
    assert [finding.what for finding in old_world.operator.audit().findings] == ["preview"]


def test_the_kind_is_that_of_the_setting_else_of_the_file_else_the_default(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).wanted_descriptor == DESCRIPTOR.name
    (tmp_path / "descriptor").write_text("mine.v1\n")
    assert Settings(home=tmp_path).wanted_descriptor == "mine.v1"
    assert Settings(home=tmp_path, descriptor=DESCRIPTOR_V1.name).wanted_descriptor == DESCRIPTOR_V1.name
