"""Another instance of a layout shows other content; a copy of one does not, whatever was done to it."""

import random

import numpy as np
import pytest
from PIL import Image

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.dense import dense_agreement
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.layout import content_agreement
from registry.match.counter_evidence import shows_other_content
from registry.match.match_evidence import MatchEvidence
from registry.thresholds import Thresholds
from samples.layouts import instance, real_copy
from samples.picture_evasions import solarised
from tests.pictures import picture

PHOTOS = [picture(name) for name in ("astronaut", "coffee", "rocket", "grace hopper", "cat", "motorcycle")]


def laid_over(query: Image.Image, reference: Image.Image) -> MatchEvidence:
    """What is measured of two pictures; the features of all these pairs confirm a geometry."""
    query_pixels, reference_pixels = np.asarray(query), np.asarray(reference)
    alignment = align(extract_features(query_pixels), extract_features(reference_pixels))
    assert alignment is not None
    pair = AlignedPair(query_pixels, reference_pixels, alignment)
    return MatchEvidence(
        compared=True,
        inliers=alignment.inliers,
        pairs=alignment.pairs,
        places=alignment.places,
        spread=alignment.spread,
        dense=dense_agreement(pair),
        content=content_agreement(pair),
    )


def other_content(query: Image.Image, reference: Image.Image) -> bool:
    return shows_other_content(laid_over(query, reference), Thresholds())


@pytest.mark.parametrize(
    ("kind", "photographed"),
    [
        ("post", False),
        ("quote", True),
        ("bar chart", True),
        ("brand card", False),
        ("logo", False),
        ("ID card", True),
        ("certificate", False),
        ("business card", True),
    ],
)
def test_another_instance_of_a_layout_shows_other_content(kind: str, photographed: bool) -> None:
    of_one, of_another = (instance(kind, 3, seed, PHOTOS, photographed=photographed) for seed in (10, 11))
    assert other_content(of_another, of_one)


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("post", "re-encoded"),
        ("quote", "resized"),
        ("bar chart", "cropped"),
        ("ID card", "screenshot"),
        ("certificate", "captioned"),
        ("brand card", "stickers"),
        ("logo", "stickers"),
        ("logo", "written over"),
        ("slide", "written over"),
        ("post with photo", "stickers"),
        ("packshot", "recoloured"),
        ("invoice", "turned"),
    ],
)
def test_a_copy_shows_the_same_content_whatever_was_laid_over_it(kind: str, edit: str) -> None:
    original = instance(kind, 3, 10, PHOTOS)
    assert not other_content(real_copy(original, edit, random.Random(5)), original)


def test_a_solarised_copy_shows_the_same_content() -> None:
    original = instance("packshot", 3, 10, PHOTOS)
    assert not other_content(solarised(original), original)


@pytest.mark.parametrize(("kind", "field"), [("invoice", 1), ("certificate", 2), ("ticket", 2)])
def test_a_copy_in_which_somebody_changed_one_field_is_a_copy(kind: str, field: int) -> None:
    original = instance(kind, 3, 10, PHOTOS)
    forged = instance(kind, 3, 10, PHOTOS, forged=frozenset({field}))
    assert forged.tobytes() != original.tobytes()
    assert not other_content(forged, original)


def test_a_photograph_is_as_it_was_however_much_lies_over_it() -> None:
    original = picture("coffee")
    for edit in ("stickers", "written over"):
        assert not other_content(real_copy(original, edit, random.Random(2)), original)


def test_where_it_differs_is_said_in_shares_of_the_query() -> None:
    of_one, of_another = (instance("quote", 3, seed, PHOTOS) for seed in (10, 11))
    content = laid_over(of_another, of_one).content
    assert content is not None
    assert content.region is not None
    (left, top), _, (right, bottom), _ = content.region
    assert 0.05 < left < 0.2
    assert 0.25 < top < 0.4
    assert 0.6 < right < 0.95
    assert bottom > 0.6
