"""What an answer says of a changed picture: operation, verdict, source, and what could not be told."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.compare.faces import weights
from sdk.errors import Conflict, NotAllowed, NotAuthenticated, NotFound
from sdk.models import (
    MatchRelation,
    OperationType,
    Role,
    SourceAgreement,
    VerdictKind,
)
from sdk.records import AssetClass
from tests.pictures import encoded, picture
from tests.portraits import astronaut, swapped
from tests.world import DatabaseServer, World


def test_a_face_swap_is_linked_to_its_original_and_named(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded(astronaut(), "PNG"), "astronaut").record
    answer = desk.client.match(encoded(swapped()))
    match = answer.matches[0]
    assert (match.record.id, match.relation) == (record.id, MatchRelation.DERIVATIVE)
    swap = match.operations[0]
    assert swap.type is OperationType.FACE_SWAP
    assert swap.region is not None
    assert swap.reference_region is not None
    assert swap.digital_source_type is not None
    assert swap.digital_source_type.endswith("compositeWithTrainedAlgorithmicMedia")
    assert "another person's" in match.explanation
    assert answer.verdict.kind is VerdictKind.DERIVATIVE_OF_ORIGINAL
    assert "a face was replaced (face swap)" in answer.verdict.sentence
    assert answer.kind_in_words() == "shares its picture with an original", "which was first is not known"
    crop = desk.client.match(encoded(astronaut().crop((60, 20, 460, 480))))
    assert crop.kind_in_words() == "derivative of original", "a crop lacks what the original shows"
    world.audit()


def test_a_copy_that_was_only_processed_keeps_its_verdict(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded(astronaut(), "PNG"), "astronaut")
    answer = desk.client.match(encoded(astronaut(), quality=40))
    assert answer.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert answer.matches[0].relation is MatchRelation.SAME_PICTURE


def test_a_registered_fake_comes_first_and_names_its_original(world: World) -> None:
    desk, researcher = world.enrol("Daily Example"), world.enrol("Lab", Role.RESEARCHER)
    original = world.register(desk, encoded(astronaut(), "PNG"), "astronaut").record
    fake = world.register(
        researcher, encoded(swapped(), "PNG"), "a swap", AssetClass.KNOWN_FAKE, derived_from=(original.id,)
    ).record
    answer = desk.client.match(encoded(swapped(), quality=60))
    assert answer.verdict.kind is VerdictKind.KNOWN_FAKE
    assert "made from 'astronaut'" in answer.verdict.sentence
    first = answer.matches[0]
    assert first.record.id == fake.id
    assert [source.id for source in first.made_from] == [original.id]


def test_an_original_is_not_mistaken_for_the_fake_that_was_made_from_it(world: World) -> None:
    desk, researcher = world.enrol("Daily Example"), world.enrol("Lab", Role.RESEARCHER)
    world.register(researcher, encoded(swapped(), "PNG"), "a swap", AssetClass.KNOWN_FAKE)
    world.register(desk, encoded(astronaut(), "PNG"), "astronaut")
    answer = desk.client.match(encoded(astronaut(), quality=60))
    assert answer.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert answer.matches[0].record.label == "astronaut"


def test_declared_edges_are_compared_and_disagreement_is_shown(world: World) -> None:
    desk, researcher = world.enrol("Daily Example"), world.enrol("Lab", Role.RESEARCHER)
    original = world.register(desk, encoded(astronaut(), "PNG"), "astronaut").record
    coffee = world.register(desk, encoded("coffee"), "coffee").record
    fake = world.register(
        researcher,
        encoded(swapped(), "PNG"),
        "a swap",
        AssetClass.KNOWN_FAKE,
        derived_from=(original.id, coffee.id, "https://example.org/elsewhere"),
    ).record
    found = {source.target: (source.agreement, source.operations) for source in fake.declared_sources}
    assert found[original.id] == (SourceAgreement.CONFIRMED, (OperationType.FACE_SWAP,))
    assert found[coffee.id] == (SourceAgreement.NOT_CONFIRMED, ())
    assert found["https://example.org/elsewhere"] == (SourceAgreement.NOT_COMPARED, ())
    assert researcher.client.get_record(fake.id).declared_sources == fake.declared_sources
    world.audit()


def test_faces_can_be_turned_off_and_the_answer_says_so(
    database_server: DatabaseServer, home: Path
) -> None:
    with World(database_server, home, faces=False) as world:
        desk = world.enrol("Daily Example")
        world.register(desk, encoded(astronaut(), "PNG"), "astronaut")
        match = desk.client.match(encoded(swapped())).matches[0]
        assert not {operation.type for operation in match.operations} & {OperationType.FACE_SWAP}
        (sentence,) = match.uncertain
        assert "switched off" in sentence
        assert sentence in match.explanation
        assert "switched off" in world.operator.status().faces


def test_a_comparison_says_and_shows_what_was_changed(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded(astronaut(), "PNG"), "astronaut").record
    upload = encoded(swapped())
    found = desk.client.compare(upload, record.id)
    assert found.relation is MatchRelation.DERIVATIVE
    assert found.operations[0].type is OperationType.FACE_SWAP
    assert found.operations[0].measured == {}, "numbers are for the scope evidence"
    assert found.change_map is not None
    with Image.open(io.BytesIO(found.change_map)) as picture:
        opacity = np.asarray(picture.convert("RGBA"))[..., 3]
    assert opacity[80:170, 190:265].mean() > 100, "over the face"
    assert opacity[300:, :].mean() < 5, "and nowhere else"
    assert len(found.change_map) < 40_000
    with Image.open(io.BytesIO(desk.client.compare_picture(upload, record.id))) as sheet:
        assert (sheet.format, sheet.width > 3 * 500) == ("PNG", True)
    with Image.open(io.BytesIO(desk.client.compare_picture(upload, record.id, "gif"))) as gif:
        assert (gif.format, getattr(gif, "n_frames", 1)) == ("GIF", 2)


def test_comparing_the_very_file_finds_no_change(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded(astronaut(), "PNG"), "astronaut").record
    found = desk.client.compare(encoded(astronaut(), "PNG"), record.id)
    assert found.relation is MatchRelation.SAME_FILE
    assert "Byte for byte" in found.explanation


def test_a_comparison_of_unrelated_pictures_says_that_nothing_is_shared(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee"), "coffee").record
    found = desk.client.compare(encoded(astronaut()), record.id)
    assert (found.relation, found.operations, found.change_map) == (None, (), None)
    assert "No common picture" in found.explanation
    with pytest.raises(Conflict):
        desk.client.compare_picture(encoded(astronaut()), record.id)


def test_a_record_without_a_picture_is_compared_by_its_fingerprints_as_a_match_of_it_is(
    world: World,
) -> None:
    desk = world.enrol("Daily Example")
    hidden = world.register(desk, encoded("coffee"), "coffee", preview=False).record
    upload = encoded("coffee", quality=60)
    [match] = desk.client.match(upload).matches
    found = desk.client.compare(upload, hidden.id)
    assert (found.relation, found.strength) == (match.relation, match.strength)
    assert found.explanation == match.explanation
    assert "no picture of it is kept here" in found.explanation
    with pytest.raises(Conflict, match="cannot be shown together: no picture of the record"):
        desk.client.compare_picture(upload, hidden.id)
    other = desk.client.compare(encoded(astronaut()), hidden.id)
    assert other.relation is None
    assert other.explanation.startswith("Only fingerprints were compared")


def test_a_comparison_finds_what_a_match_finds_in_a_part_of_the_upload(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee"), "coffee").record
    page = picture("motorcycle").resize((1200, 900))
    page.paste(picture("coffee").resize((160, 106)), (300, 200))
    upload = encoded(page, "PNG")
    [match] = desk.client.match(upload).matches
    found = desk.client.compare(upload, record.id)
    assert (found.relation, found.strength) == (match.relation, match.strength)
    assert found.explanation == match.explanation


def test_what_cannot_be_compared_is_a_clear_problem(world: World) -> None:
    desk = world.enrol("Daily Example")
    hidden = world.register(desk, encoded("coffee"), "coffee").record
    desk.client.withdraw(hidden.id)
    with pytest.raises(Conflict, match="was withdrawn") as caught:
        desk.client.compare(encoded("coffee"), hidden.id)
    assert caught.value.code == "nothing_to_compare"
    with pytest.raises(NotFound) as unknown:
        desk.client.compare(encoded("coffee"), "00000000-0000-0000-0000-000000000000")
    assert unknown.value.code == "unknown_record"
    with pytest.raises(NotAuthenticated):
        world.client().compare(encoded("coffee"), hidden.id)


def test_whoever_may_only_match_hears_what_was_changed_in_an_intimate_picture_and_sees_none(
    world: World,
) -> None:
    desk, platform = world.enrol("Daily Example"), world.enrol("Platform", Role.PLATFORM)
    record = world.register(desk, encoded(astronaut(), "PNG"), "astronaut", intimate=True).record
    assert record.intimate
    with pytest.raises(NotAuthenticated):
        world.client().preview(record.id)
    with pytest.raises(NotAllowed):
        platform.client.preview(record.id)
    with pytest.raises(NotAllowed, match="to keys with the scope review"):
        platform.client.compare_picture(encoded(swapped()), record.id)
    heard, seen = (party.client.compare(encoded(swapped()), record.id) for party in (platform, desk))
    assert heard.change_map is None
    assert seen.change_map is not None
    assert heard.operations == seen.operations
    assert heard.operations[0].region is not None
    assert desk.client.preview(record.id)[:4] == b"RIFF"
    world.audit()


def test_without_the_packages_of_the_networks_the_answer_and_the_doctor_say_so(
    database_server: DatabaseServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = replace(weights.IDENTITY, package="no_such_package")
    monkeypatch.setattr(weights, "FACE_MODELS", (absent,))
    with World(database_server, home) as world:
        desk = world.enrol("Daily Example")
        world.register(desk, encoded(astronaut(), "PNG"), "astronaut")
        (sentence,) = desk.client.match(encoded(swapped())).matches[0].uncertain
        assert "not installed here" in sentence
        assert "pip install --no-deps 'face-recognition-models==0.3.0'" in world.operator.status().faces
