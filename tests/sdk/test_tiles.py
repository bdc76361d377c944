import pytest

from sdk.merkle import leaf_hash, root_of, verify_consistency, verify_inclusion
from sdk.tiles import (
    consistency_proof,
    inclusion_proof,
    parse_tile_path,
    published_width,
    subtree_hash,
    tile_path,
    tree_root,
)

SIZE = 700


def tiles_of(size: int) -> dict[tuple[int, int], bytes]:
    hashes = [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]
    tiles: dict[tuple[int, int], bytes] = {}
    level = 0
    while hashes:
        groups = [hashes[start : start + 256] for start in range(0, len(hashes), 256)]
        tiles |= {(level, number): b"".join(group) for number, group in enumerate(groups)}
        hashes = [root_of(group) for group in groups if len(group) == 256]
        level += 1
    return tiles


TILES = tiles_of(SIZE)
LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(SIZE)]


def read(level: int, number: int) -> bytes:
    return TILES[level, number]


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 513, 700])
def test_roots_and_proofs_from_tiles_equal_those_from_leaves(size: int) -> None:
    root = tree_root(read, size)
    assert root == root_of(LEAVES[:size])
    for index in {0, size // 3, size - 1}:
        verify_inclusion(LEAVES[index], index, size, inclusion_proof(read, index, size), root)
    for old in {0, 1, size // 2, size}:
        proof = consistency_proof(read, old, size)
        verify_consistency(old, size, proof, root_of(LEAVES[:old]), root)


def test_a_subtree_of_whole_tiles_is_read_from_the_level_above() -> None:
    assert subtree_hash(read, 256, 512) == root_of(LEAVES[256:512])


@pytest.mark.parametrize(
    ("path", "parsed"),
    [
        ("0/000", (0, 0, 256)),
        ("0/999.p/255", (0, 999, 255)),
        ("1/x001/000", (1, 1000, 256)),
        ("entries/x001/x234/067", (None, 1234067, 256)),
    ],
)
def test_tile_paths_are_read_and_written(path: str, parsed: tuple[int | None, int, int]) -> None:
    assert parse_tile_path(path) == parsed
    assert tile_path(*parsed) == path


@pytest.mark.parametrize(
    "path",
    [
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "00/000",
        "64/000",
        "0/0",
        "0/x000/000",
        "0/000\n",
        "0/\u0660\u0660\u0660",
        "",
    ],
)
def test_other_paths_are_no_tiles(path: str) -> None:
    assert parse_tile_path(path) is None


def test_only_what_the_checkpoint_covers_is_published() -> None:
    assert published_width(0, 0, 70_000) == 256
    assert published_width(0, 273, 70_000) == 112
    assert published_width(1, 1, 70_000) == 17
    assert published_width(2, 0, 70_000) == 1
    assert published_width(3, 0, 70_000) == 0
    assert published_width(None, 274, 70_000) == 0
