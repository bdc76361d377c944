"""Most candidates of a stranger are dismissed without being aligned; copies never are."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageFilter, ImageOps
from sqlmodel import select

from indexer.compare.quick_check import may_show_the_same
from registry.match import verification
from registry.match.candidates import Candidate
from registry.match.match_evidence import MatchEvidence
from registry.match.matched import MatchedRecord
from registry.match.matching import find_matches
from registry.match.quick_check import QueryFeatures, is_worth_another_way, may_be_aligned
from registry.media.previews import QUICK_FEATURES_SUFFIX, PreviewCache, picture_of
from registry.media.uploads import Upload
from registry.publish import registration
from registry.services import RequestContext
from registry.storage.db import transaction
from registry.storage.models import Record
from sdk.errors import BadRequest
from sdk.local import fingerprint_file
from sdk.models import Effort, FingerprintQuery, Role
from tests.pictures import encoded, picture
from tests.registry.match.rows import record
from tests.world import DatabaseServer, World

REGISTERED = ("coffee", "hubble", "astronaut")


@pytest.fixture(scope="module")
def world(database_server: DatabaseServer, scratch: Path) -> Iterator[World]:
    home = scratch / "quick-check"
    home.mkdir()
    with World(database_server, home) as world:
        desk = world.enrol("Daily Example")
        for name in REGISTERED:
            world.register(desk, encoded(name), name)
        yield world
        world.audit()


def matched(world: World, image: Image.Image, effort: Effort) -> tuple[list[MatchedRecord], Upload]:
    upload = world.services.uploads.read(encoded(image))
    with transaction(world.engine) as session:
        context = replace(world.services.in_request(session), effort=effort)
        return find_matches(context, upload), upload


@pytest.mark.parametrize("effort", Effort)
def test_a_crop_is_found_at_either_effort(world: World, effort: Effort) -> None:
    coffee = picture("coffee")
    found, _ = matched(world, coffee.crop((150, 60, 560, 380)), effort)
    assert [one.record.label for one in found] == ["coffee"]


def test_a_stranger_is_dismissed_before_its_features_are_read(world: World) -> None:
    found, upload = matched(world, picture("motorcycle"), Effort.STANDARD)
    assert found == []
    assert "quick_features" in vars(upload)
    assert "features" not in vars(upload)
    found, upload = matched(world, picture("motorcycle"), Effort.THOROUGH)
    assert found == []
    assert "features" in vars(upload)


def test_a_negative_is_found_by_features_of_either_polarity(world: World) -> None:
    found, _ = matched(world, ImageOps.invert(picture("astronaut")), Effort.STANDARD)
    assert [one.record.label for one in found] == ["astronaut"]


def test_quick_features_are_kept_beside_the_preview_and_made_again(world: World) -> None:
    with transaction(world.engine) as session:
        kept = session.exec(select(Record).where(Record.label == "hubble")).one()
    shown = picture_of(kept)
    assert shown is not None
    blobs, decoders = world.services.blobs, world.services.uploads.decoders
    first = PreviewCache(blobs, decoders).quick_features(shown)
    blobs.put_beside(shown.key, QUICK_FEATURES_SUFFIX, b"TPQ1 damaged")
    again = PreviewCache(blobs, decoders).quick_features(shown)
    assert first is not None
    assert again is not None
    assert may_show_the_same(first, again)
    mended = blobs.get_beside(shown.key, QUICK_FEATURES_SUFFIX)
    assert mended == again.to_bytes()


def test_an_answer_says_with_which_effort_it_was_given(world: World, tmp_path: Path) -> None:
    desk = world.enrol("Platform", Role.PLATFORM)
    content = encoded(picture("coffee").crop((150, 60, 560, 380)))
    assert desk.client.match(content).computed.effort is Effort.STANDARD
    answer = desk.client.match(content, effort=Effort.THOROUGH)
    assert answer.computed.effort is Effort.THOROUGH
    assert [one.record.label for one in answer.matches] == ["coffee"]
    file = tmp_path / "crop.jpg"
    file.write_bytes(content)
    query = FingerprintQuery(fingerprints=tuple(fingerprint_file(file)))
    assert desk.client.match_fingerprints(query).computed.effort is None


def test_an_effort_that_nobody_knows_is_refused_by_name(world: World) -> None:
    desk = world.enrol("Another platform", Role.PLATFORM)
    with pytest.raises(BadRequest, match="effort") as refused:
        desk.client.match(encoded("coffee"), effort="utmost")  # type: ignore[arg-type]
    assert "thorough" in str(refused.value)


def candidate(**evidence: object) -> Candidate:
    """One whose picture is kept, found by a descriptor."""
    kept = record(preview_key="previews/aa/a.webp")
    return Candidate(kept, MatchEvidence(**evidence), ("tp-desc.v2",), found_similarity=0.1)  # type: ignore[arg-type]


class _NoPreviews:
    """Fails where a registered picture is looked at."""

    def quick_features(self, _: object) -> None:
        raise AssertionError("its fingerprints suffice")


@pytest.mark.parametrize("evidence", [{"pdq_distance": 80}, {"same_digest": True}])
def test_what_fingerprints_speak_for_is_always_compared(world: World, evidence: dict[str, object]) -> None:
    blurred = world.services.uploads.read(encoded(picture("coffee").filter(ImageFilter.GaussianBlur(20))))
    whole = QueryFeatures.of(blurred)
    with transaction(world.engine) as session:
        context = replace(world.services.in_request(session), previews=_NoPreviews())  # type: ignore[arg-type]
        assert may_be_aligned(context, whole, candidate(**evidence))
        assert is_worth_another_way(context, whole, candidate(**evidence))
        near = replace(candidate(), found_similarity=0.6)
        assert is_worth_another_way(context, whole, near)
        with pytest.raises(AssertionError, match="suffice"):
            may_be_aligned(context, whole, near)


def test_fast_asks_about_the_whole_picture_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    crop = picture("coffee").crop((150, 60, 560, 380))
    found, _ = matched(world, ImageOps.invert(crop), Effort.FAST)
    assert [one.record.label for one in found] == ["coffee"]
    asked: list[str] = []

    def propose(context: RequestContext, upload: Upload, only: Record | None) -> list[Candidate]:
        asked.append("parts")
        return []

    monkeypatch.setattr(verification, "_propose", propose)
    assert matched(world, picture("motorcycle"), Effort.FAST)[0] == []
    assert asked == []
    assert matched(world, picture("motorcycle"), Effort.STANDARD)[0] == []
    assert asked == ["parts"]


def test_a_registration_looks_at_parts_whatever_the_setting(
    database_server: DatabaseServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    efforts: list[Effort] = []

    def noting(context: RequestContext, *rest: object, **more: object) -> list[MatchedRecord]:
        efforts.append(context.effort)
        return find_matches(context, *rest, **more)  # type: ignore[arg-type]

    with World(database_server, home, effort=Effort.FAST) as world:
        desk = world.enrol("Daily Example")
        monkeypatch.setattr(registration, "find_matches", noting)
        world.register(desk, encoded(picture("coffee")), "coffee")
        assert desk.client.match(encoded(picture("motorcycle"))).computed.effort is Effort.FAST
        world.audit()
    assert efforts == [Effort.STANDARD]
