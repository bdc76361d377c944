"""What no feature of the whole upload confirms is looked at again: patterns, blurs, negatives."""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.dense import DenseAgreement
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.layout import content_agreement
from registry.match.candidates import Candidate
from registry.match.match_evidence import MatchEvidence
from registry.match.second_look import joined_by, may_be_joined_otherwise
from registry.thresholds import Thresholds
from samples.layouts import real_copy
from samples.picture_evasions import (
    TONES,
    Evasion,
    banded,
    captioned,
    gridded,
    half_mirrored,
    hatched,
    inverted,
    noisy,
    snowed_over,
    stickered,
    waved,
)
from sdk.models import Match, MatchRelation, Role, Strength
from sdk.records import AssetClass
from tests.pictures import encoded, picture
from tests.registry.match.rows import record
from tests.world import DatabaseServer, Party, World

SURE = (Strength.MODERATE, Strength.STRONG, Strength.VERY_STRONG)
NAMES = ("astronaut", "coffee")
EVADED = [
    *(("astronaut", overlay) for overlay in (hatched, gridded, snowed_over, noisy, captioned)),
    *(("coffee", overlay) for overlay in (waved, banded, stickered, half_mirrored)),
    *((name, tone) for name in NAMES for tone in TONES),
]
REPORTED = "reported/12-simple-evasions"


@pytest.fixture(scope="module")
def desk(database_server: DatabaseServer, scratch: Path) -> Iterator[Party]:
    home = scratch / "second-look"
    home.mkdir()
    with World(database_server, home) as world:
        party = world.enrol("Daily Example", Role.RESEARCHER)
        for name in NAMES:
            world.register(party, encoded(name), name, AssetClass.KNOWN_FAKE)
        yield party
        world.audit()


def first(desk: Party, upload: Image.Image) -> Match | None:
    return next(iter(desk.client.match(encoded(upload, quality=85)).matches), None)


def blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / 110))


@pytest.mark.parametrize(
    ("name", "evade"),
    [*EVADED, ("coffee", blurred)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_copy_is_found_whatever_lies_over_all_of_it(desk: Party, name: str, evade: Evasion) -> None:
    match = first(desk, evade(picture(name)))
    assert match is not None
    assert match.record.label == name
    assert match.strength in SURE


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("edit", ["bent screen", "curled"])
def test_a_copy_is_found_though_it_was_bent(desk: Party, name: str, edit: str) -> None:
    match = first(desk, real_copy(picture(name), edit, random.Random(4)))
    assert match is not None
    assert match.record.label == name
    assert match.strength in SURE


@pytest.mark.parametrize("name", NAMES)
def test_a_negative_is_called_inverted_and_nothing_else(desk: Party, name: str) -> None:
    match = first(desk, inverted(picture(name)))
    assert match is not None
    assert match.relation is MatchRelation.DERIVATIVE
    assert [(operation.type.value, operation.sentence) for operation in match.operations] == [
        ("colour", "Colours were inverted.")
    ]


def test_a_mirrored_negative_of_a_part_is_found(desk: Party) -> None:
    part = picture("coffee").crop((150, 40, 560, 370)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    match = first(desk, inverted(part))
    assert match is not None
    assert match.record.label == "coffee"
    assert {operation.type.value for operation in match.operations} == {"colour", "mirrored", "cropped"}


@pytest.mark.parametrize("evade", [inverted, blurred, hatched], ids=lambda evade: evade.__name__)
@pytest.mark.parametrize("stranger", ["cat", "motorcycle"])
def test_a_stranger_under_the_same_is_still_a_stranger(desk: Party, stranger: str, evade: Evasion) -> None:
    match = first(desk, evade(picture(stranger)))
    assert match is None or match.strength is Strength.WEAK


@pytest.mark.shared
@pytest.mark.parametrize("upload", ["inverted.jpg", "hatch.jpg", "mirrorhalf.jpg"])
def test_what_was_reported_is_made_from_the_known_fake(desk: Party, shared: Path, upload: str) -> None:
    with Image.open(io.BytesIO((shared / REPORTED / upload).read_bytes())) as image:
        match = first(desk, image.convert("RGB"))
    assert match is not None
    assert match.record.label == "astronaut"
    assert match.strength in SURE
    assert match.relation is MatchRelation.DERIVATIVE


@pytest.mark.parametrize(
    ("inliers", "agreeing", "disagreeing", "again"),
    [
        (18, 0.3, 0.6, False),  # another shot, by so many features that no other way overrules them
        (17, 0.3, 0.6, True),
        (12, 0.6, 0.3, True),
        (20, 0.8, 0.1, False),  # confirmed
    ],
)
def test_another_shot_by_many_features_is_not_looked_at_again(
    inliers: int, agreeing: float, disagreeing: float, *, again: bool
) -> None:
    dense = DenseAgreement(agreeing, disagreeing, moved=0.0, fine=0.9)
    evidence = MatchEvidence(compared=True, inliers=inliers, pairs=inliers, spread=0.5, dense=dense)
    assert may_be_joined_otherwise(evidence, Thresholds()) is again


def test_what_was_seen_through_one_alignment_is_forgotten_with_the_next() -> None:
    image = np.asarray(picture("coffee"))
    features = extract_features(image)
    alignment = align(features, features)
    assert alignment is not None
    seen = MatchEvidence(
        dense=DenseAgreement(0.9, 0.0, 0.0, 0.9),
        outside_faces=DenseAgreement(0.9, 0.0, 0.0, 0.9),
        content=content_agreement(AlignedPair(image, image, alignment)),
    )
    assert seen.content is not None
    joined = joined_by(Candidate(record(), seen, ("pdq.v1",)), alignment).evidence
    assert (joined.dense, joined.outside_faces, joined.content) == (None, None, None)
    assert joined.inliers == alignment.inliers
