"""What is promised of descriptor and faces, on real photographs; skipped where they are not at hand."""

import csv
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.dense import dense_agreement
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.fingerprints.embedders import TorchEmbedder
from indexer.fingerprints.kinds import DESCRIPTOR, PDQ, unpack_codes
from indexer.fingerprints.models import COPY_DESCRIPTOR, IMAGENET_FEATURES
from indexer.fingerprints.pdq import compute_pdq
from indexer.index.port import BruteForceIndex
from indexer.index.segmented_index import SegmentedIndex
from indexer.media.images import Pixels, decode_image
from indexer.media.limits import ImageLimits
from indexer.operations import OperationType
from indexer.training.face_pairs import MOVED, SAME, SWAPPED, as_preview, read_pairs
from registry.match.evidence_rules import is_verified
from registry.match.match_evidence import MatchEvidence
from registry.thresholds import Thresholds
from tests.portraits import derived, types_of

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def decoded(path: Path) -> Pixels:
    return decode_image(path.read_bytes(), ImageLimits()).pixels


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def confirmed(query: Pixels, reference: Pixels, *, densely: bool) -> bool:
    found = align(extract_features(query), extract_features(reference))
    if found is None:
        return False
    dense = dense_agreement(AlignedPair(query, reference, found)) if densely else None
    return is_verified(
        MatchEvidence(
            compared=True, inliers=found.inliers, pairs=found.pairs, spread=found.spread, dense=dense
        ),
        Thresholds(),
    )


def test_different_captures_are_never_confirmed_though_features_alone_would(shared: Path) -> None:
    pairs = rows_of(shared / "swaps-dev" / "pairs.csv")
    others = [
        pair for pair in pairs if pair["kind"].startswith("neg_") and pair["kind"] != "neg_same_video"
    ]
    assert len(others) >= 50
    by_features = 0
    for pair in others:
        query, reference = (decoded(shared / "swaps-dev" / pair[side]) for side in ("result", "target"))
        by_features += confirmed(query, reference, densely=False)
        assert not confirmed(query, reference, densely=True), pair["pair_id"]
    assert by_features >= 10


def test_our_descriptor_finds_more_edited_copies_than_imagenet_features(shared: Path) -> None:
    folder = shared / "disc-dev"
    references = {path.stem: decoded(path) for path in sorted((folder / "refs").iterdir())}
    edited = [row for row in rows_of(folder / "truth.csv") if row["ref"]]
    asked = random.Random(1).sample(edited, 120)
    queries = [decoded(next((folder / "queries").glob(f"{row['query']}.*"))) for row in asked]
    names = list(references)

    def found_first(embedder: TorchEmbedder) -> float:
        similarity = embedder.embed(queries) @ embedder.embed(list(references.values())).T
        right = np.array([names.index(row["ref"]) for row in asked])
        return float((similarity.argmax(axis=1) == right).mean())

    ours = found_first(TorchEmbedder("cpu", COPY_DESCRIPTOR))
    assert ours > found_first(TorchEmbedder("cpu", IMAGENET_FEATURES)) + 0.03
    assert ours > 0.75


def test_sealed_segments_find_the_edited_copies_that_a_scan_of_all_finds(shared: Path) -> None:
    """Real descriptors by fast scan, real codes by multi-index."""
    folder = shared / "disc-dev"
    references = [decoded(path) for path in sorted((folder / "refs").iterdir())]
    edited = random.Random(2).sample([row for row in rows_of(folder / "truth.csv") if row["ref"]], 120)
    queries = [decoded(next((folder / "queries").glob(f"{row['query']}.*"))) for row in edited]
    embedder = TorchEmbedder("cpu", COPY_DESCRIPTOR)
    noise = np.random.default_rng(3)
    others = noise.normal(size=(8_000, DESCRIPTOR.size)) + 20 * embedder.embed(references).mean(axis=0)
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    vectors = np.concatenate([embedder.embed(references), others]).astype(np.float16).astype(np.float32)
    codes = np.concatenate(
        [
            unpack_codes([compute_pdq(reference)[0].value for reference in references]),
            noise.integers(0, 256, (8_000, 32), np.uint8),
        ]
    )
    asked = unpack_codes([fingerprint.value for query in queries for fingerprint in compute_pdq(query)])
    for kind, rows in ((DESCRIPTOR, vectors), (PDQ, codes)):
        sealed, exact = SegmentedIndex(kind), BruteForceIndex(kind)
        sealed.seal_rows(np.arange(len(rows)), rows)
        exact.add(np.arange(len(rows)), rows)
        assert sealed.segments[0].accelerator is not None
        if kind is PDQ:
            assert sealed.within(asked, 31) == exact.within(asked, 31)
            assert len({hit.id for hit in exact.within(asked, 31)}) > 30
            continue
        found, wanted = (tested.nearest(embedder.embed(queries), 12) for tested in (sealed, exact))
        both = {(hit.query, hit.id) for hit in found} & {(hit.query, hit.id) for hit in wanted}
        assert len(both) >= 0.98 * len(wanted)


def test_changed_faces_of_published_systems_are_named_and_untouched_ones_are_not(shared: Path) -> None:
    pairs = read_pairs(shared / "swaps-dev")
    chosen = [pair for pair in pairs if pair.kind == SWAPPED][::4]
    chosen += [pair for pair in pairs if pair.kind == MOVED]
    chosen += [pair for pair in pairs if pair.kind == SAME][::7]
    flags = {OperationType.FACE_SWAP, OperationType.FACE_REENACTED, OperationType.PERSON_REPLACED}
    said = {
        pair.name: types_of(
            derived(
                Image.fromarray(decoded(pair.result)),
                Image.fromarray(as_preview(decoded(pair.target))),
            )
        )
        for pair in chosen
    }
    swaps = [OperationType.FACE_SWAP in said[pair.name] for pair in chosen if pair.kind == SWAPPED]
    moved = [bool(flags & said[pair.name]) for pair in chosen if pair.kind == MOVED]
    rest = [bool(flags & said[pair.name]) for pair in chosen if pair.kind == SAME]
    assert sum(swaps) >= 0.98 * len(swaps)
    assert sum(moved) >= 0.75 * len(moved)  # what moved no more than processing moves faces is uncertain
    assert sum(rest) <= 1
