import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk.merkle import (
    EMPTY_ROOT,
    BadProof,
    largest_power_of_two_below,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

PROBES = Path(__file__).parents[1] / "data" / "merkle"
# Reference leaves and roots of Certificate Transparency.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def naive_root(entries: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, as it is written."""
    if not entries:
        return EMPTY_ROOT
    if len(entries) == 1:
        return leaf_hash(entries[0])
    split = largest_power_of_two_below(len(entries))
    return node_hash(naive_root(entries[:split]), naive_root(entries[split:]))


def naive_inclusion(index: int, entries: list[bytes]) -> list[bytes]:
    """RFC 9162, section 2.1.3.1, as it is written."""
    if len(entries) == 1:
        return []
    split = largest_power_of_two_below(len(entries))
    if index < split:
        return [*naive_inclusion(index, entries[:split]), naive_root(entries[split:])]
    return [*naive_inclusion(index - split, entries[split:]), naive_root(entries[:split])]


def naive_consistency(old: int, entries: list[bytes], whole: bool = True) -> list[bytes]:
    """RFC 9162, section 2.1.4.1, as it is written."""
    if old == len(entries):
        return [] if whole else [naive_root(entries)]
    split = largest_power_of_two_below(len(entries))
    if old <= split:
        return [*naive_consistency(old, entries[:split], whole), naive_root(entries[split:])]
    return [*naive_consistency(old - split, entries[split:], False), naive_root(entries[:split])]


def entries_of(size: int) -> list[bytes]:
    return [number.to_bytes(2, "big") for number in range(size)]


def decoded(probe: dict[str, Any], name: str) -> bytes:
    return base64.b64decode(probe[name] or "")


@pytest.mark.parametrize("size", ROOTS)
def test_the_reference_roots_are_reproduced(size: int) -> None:
    assert root_of([leaf_hash(entry) for entry in LEAVES[:size]]).hex() == ROOTS[size]


@pytest.mark.parametrize("size", range(1, 65))
def test_every_inclusion_proof_to_size_64_verifies_and_no_neighbour_does(size: int) -> None:
    entries = entries_of(size)
    root = naive_root(entries)
    for index in range(size):
        proof = naive_inclusion(index, entries)
        verify_inclusion(leaf_hash(entries[index]), index, size, proof, root)
        if size > 1:
            with pytest.raises(BadProof):
                verify_inclusion(leaf_hash(entries[index]), (index + 1) % size, size, proof, root)


@pytest.mark.parametrize("size", range(1, 65))
def test_every_consistency_proof_to_size_64_verifies(size: int) -> None:
    entries = entries_of(size)
    for old in range(1, size + 1):
        proof = naive_consistency(old, entries)
        verify_consistency(old, size, proof, naive_root(entries[:old]), naive_root(entries))


@given(st.integers(1, 300), st.data())
def test_a_changed_bit_anywhere_breaks_an_inclusion_proof(size: int, data: st.DataObject) -> None:
    entries = entries_of(size)
    index = data.draw(st.integers(0, size - 1))
    parts = [leaf_hash(entries[index]), *naive_inclusion(index, entries), naive_root(entries)]
    which = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    changed = (int.from_bytes(parts[which], "big") ^ (1 << bit)).to_bytes(32, "big")
    parts[which] = changed
    leaf, *proof, root = parts
    with pytest.raises(BadProof):
        verify_inclusion(leaf, index, size, proof, root)


@pytest.mark.parametrize("path", sorted(PROBES.glob("inclusion/**/*.json")), ids=lambda path: path.name)
def test_published_inclusion_probes_are_judged_as_published(path: Path) -> None:
    probe = json.loads(path.read_text())
    proof = [base64.b64decode(hash_text) for hash_text in probe["proof"] or []]
    arguments = (
        decoded(probe, "leafHash"),
        probe["leafIdx"],
        probe["treeSize"],
        proof,
        decoded(probe, "root"),
    )
    if probe["wantErr"]:
        with pytest.raises(BadProof):
            verify_inclusion(*arguments)
    else:
        verify_inclusion(*arguments)


@pytest.mark.parametrize("path", sorted(PROBES.glob("consistency/**/*.json")), ids=lambda path: path.name)
def test_published_consistency_probes_are_judged_as_published(path: Path) -> None:
    probe = json.loads(path.read_text())
    proof = [base64.b64decode(hash_text) for hash_text in probe["proof"] or []]
    roots = decoded(probe, "root1"), decoded(probe, "root2")
    if probe["wantErr"]:
        with pytest.raises(BadProof):
            verify_consistency(probe["size1"], probe["size2"], proof, *roots)
    else:
        verify_consistency(probe["size1"], probe["size2"], proof, *roots)


def test_all_196_published_probes_are_here() -> None:
    assert len(list(PROBES.glob("**/*.json"))) == 196
