"""Somebody who has a copy reads a hidden fingerprint off the answers, and somebody who just asks a lot."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from indexer.fingerprints.kinds import hamming
from indexer.fingerprints.pdq import compute_pdq
from registry.errors import FingerprintProbing
from registry.records.query_chains import QueryChains
from sdk.errors import TooManyRequests
from sdk.models import FingerprintQuery, FingerprintValue, MatchAnswer, Role
from tests.pictures import encoded, picture, pixels
from tests.world import DatabaseServer, Party, World

BITS, RADIUS, QUERIES = 256, 31, 10_000
MOST_RECOVERED = 0.6
Bits = npt.NDArray[np.bool_]


def packed(bits: Bits) -> bytes:
    return np.packbits(bits).tobytes()


def bits_of(name: str) -> Bits:
    return np.unpackbits(np.frombuffer(compute_pdq(pixels(name))[0].value, np.uint8)).astype(bool)


class Oracle:
    """A registry with one hidden record, which answers about values alone; counts queries and seconds."""

    def __init__(self, secret: Bits, *, is_watched: bool, tells_numbers: bool = False) -> None:
        self.secret, self.tells_numbers = secret, tells_numbers
        self.queries, self.seconds = 0, 1_000_000.0
        self.chains = QueryChains(128, lambda: self.seconds) if is_watched else None

    def distance(self, bits: Bits) -> int | None:
        """The distance, or only whether it is within the radius: 0 or 1. None: refused for now."""
        if self.queries == QUERIES:
            raise StopIteration
        self.queries += 1
        self.seconds += 1
        distance = int((bits != self.secret).sum())
        near = {"hidden": packed(bits)} if distance <= (80 if self.tells_numbers else 39) else {}
        try:
            if self.chains is not None:
                self.chains.require_leave("attacker", [packed(bits)], near)
        except FingerprintProbing:
            return None
        return distance if self.tells_numbers else int(distance > RADIUS)


def a_copy(secret: Bits, changed: int = 20) -> Bits:
    copy = secret.copy()
    copy[np.random.default_rng(3).choice(BITS, changed, replace=False)] ^= True
    return copy


def patiently(oracle: Oracle, bits: Bits) -> int:
    """Asks until there is an answer."""
    while (answer := oracle.distance(bits)) is None:
        pass
    return answer


def by_distances(oracle: Oracle, copy: Bits) -> Iterator[tuple[int, bool]]:
    """A bit is wrong where flipping it brings the value nearer: 257 queries."""
    at_start = patiently(oracle, copy)
    for bit in range(BITS):
        flipped = copy.copy()
        flipped[bit] ^= True
        yield bit, copy[bit] ^ (patiently(oracle, flipped) < at_start)


def by_yes_and_no(oracle: Oracle, copy: Bits) -> Iterator[tuple[int, bool]]:
    """Bits are flipped until the value just fails; from there the flip of a wrong bit makes it match."""
    border = copy.copy()
    order = np.random.default_rng(5).permutation(BITS)
    moved = []
    for bit in order:
        border[bit] ^= True
        moved.append(bit)
        if patiently(oracle, border):
            break
    for bit in [*order[len(moved) :], *moved]:
        flipped = border.copy()
        flipped[bit] ^= True
        yield int(bit), bool(border[bit] ^ (patiently(oracle, flipped) == 0))


def by_many_bits_at_once(oracle: Oracle, copy: Bits) -> Iterator[tuple[int, bool]]:
    """Every query far from the others: eleven random bits each, and the answers are averaged."""
    random = np.random.default_rng(7)
    failed, asked = np.zeros(BITS), np.zeros(BITS)
    try:
        while True:
            flips = random.choice(BITS, 13, replace=False)
            flipped = copy.copy()
            flipped[flips] ^= True
            answer = oracle.distance(flipped)
            if answer is not None:
                failed[flips] += answer
                asked[flips] += 1
    except StopIteration:
        often = asked >= 20  # else chance says as much
        wrong = failed / np.maximum(asked, 1) < (failed.sum() / max(asked.sum(), 1)) - 0.15
        yield from ((int(bit), bool(copy[bit] ^ wrong[bit])) for bit in np.flatnonzero(often))


Attack = Callable[[Oracle, Bits], Iterator[tuple[int, bool]]]
ATTACKS: dict[str, tuple[Attack, bool]] = {
    "distances": (by_distances, True),
    "yes and no": (by_yes_and_no, False),
    "many bits at once": (by_many_bits_at_once, False),
}


def recovered(oracle: Oracle, attack: Attack) -> float:
    """Share of the bits that the answers, and not the attacker's copy, have shown to be what they are."""
    found: dict[int, bool] = {}
    with_copy = attack(oracle, a_copy(oracle.secret))
    try:
        for bit, value in with_copy:
            found[bit] = value
    except (StopIteration, RuntimeError):
        pass
    return sum(bool(oracle.secret[bit]) == value for bit, value in found.items()) / BITS


@pytest.mark.parametrize("name", ATTACKS)
def test_after_ten_thousand_queries_fewer_than_sixty_percent_of_the_bits_are_known(name: str) -> None:
    attack, tells_numbers = ATTACKS[name]
    unwatched = Oracle(bits_of("coffee"), is_watched=False, tells_numbers=tells_numbers)
    assert recovered(unwatched, attack) > 0.95, "the attack itself works"
    if name != "many bits at once":
        assert unwatched.queries <= 290
    watched = Oracle(bits_of("coffee"), is_watched=True, tells_numbers=tells_numbers)
    assert recovered(watched, attack) < MOST_RECOVERED
    assert watched.queries == QUERIES
    assert watched.chains is not None
    assert watched.chains.slowed + watched.chains.refused > 5_000


def codes_of(image: Image.Image, count: int) -> Iterator[bytes]:
    """The same picture as many senders' programs write it."""
    random = np.random.default_rng(1)
    for _ in range(count):
        share = random.uniform(0.5, 1.0)
        sent = image.resize((int(image.width * share), int(image.height * share)))
        buffer = io.BytesIO()
        sent.save(buffer, "JPEG", quality=int(random.integers(40, 95)))
        yield compute_pdq(np.asarray(Image.open(buffer)))[0].value


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_a_popular_picture_a_burst_and_the_frames_of_a_video_are_not_refused(name: str) -> None:
    """One copy after another, seconds apart, all of one organisation and near one hidden record."""
    now = [1_000_000.0]
    chains = QueryChains(128, lambda: now[0])
    registered = compute_pdq(pixels(name))[0].value
    shots = [ImageOps.crop(picture(name), border) for border in (0, 2, 4)]
    asked = [code for shot in shots for code in codes_of(shot, 60)] * 3
    for code in asked:
        now[0] += 1
        near = {"hidden": code} if hamming(code, registered) <= 39 else {}
        chains.require_leave("platform", [code], near)
    assert chains.slowed == chains.refused == 0


def test_what_is_kept_is_no_query_and_is_forgotten_on_the_day_after_the_next() -> None:
    now = [1_000_000.0]
    chains = QueryChains(16, lambda: now[0])
    codes = [bytes(31) + bytes([number]) for number in range(256)]

    def ask(code: bytes) -> None:
        chains.require_leave("platform", [code], {"hidden": code})

    for code in codes[:5]:
        ask(code)
    with pytest.raises(FingerprintProbing) as slowed:
        ask(codes[5])
    assert slowed.value.retry_after_s == 601
    now[0] += 700
    ask(codes[100])
    ask(codes[0])  # asked before: it tells nothing new
    assert codes[0] not in repr(vars(chains)).encode()
    chains.require_leave("another", [codes[200]], {"hidden": codes[200]})
    now[0] += 2 * 86_400
    for code in codes[20:25]:
        ask(code)


def test_who_reads_off_a_hidden_fingerprint_is_refused_and_others_are_not(
    database_server: DatabaseServer, home: Path
) -> None:
    with World(database_server, home, probed_windows=24) as world:
        desk, platform = world.enrol("Daily Example"), world.enrol("Platform", Role.PLATFORM)
        world.register(desk, encoded("coffee", "PNG"), preview=False)
        world.register(desk, encoded("cat", "PNG"))

        def ask(party: Party, number: int, name: str = "coffee") -> MatchAnswer:
            bits = bits_of(name)
            bits[number] ^= True
            value = FingerprintValue(value=f"pdq.v1:{packed(bits).hex()}", quality=100)
            return party.client.match_fingerprints(FingerprintQuery(fingerprints=(value,)))

        for number in range(0, 40, 4):
            assert ask(platform, number).matches
        with pytest.raises(TooManyRequests) as refused:
            ask(platform, 100)
        assert refused.value.code == "fingerprint_probing"
        assert refused.value.retry_after_s is not None
        assert 300 < refused.value.retry_after_s <= 601
        for number in range(0, 100, 4):
            ask(desk, number)  # its own
            assert ask(platform, number, "cat").matches, "whose picture anybody may see"
        assert platform.client.match(encoded("coffee", "PNG")).matches, "the very file tells nothing"
        assert world.operator.status().probing_slowed == 1
        world.audit()
