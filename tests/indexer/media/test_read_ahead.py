"""Items are made while others are used, in order; whoever stops early leaves no thread behind."""

import threading
from collections.abc import Iterator

import pytest

from indexer.media.read_ahead import read_ahead


def not_called() -> None:
    raise AssertionError("nothing was given up")


def one(item: int) -> int:
    return 1


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read ahead"]


def test_all_items_come_in_their_order() -> None:
    assert list(read_ahead(range(500), 3, one, not_called)) == list(range(500))
    assert list(read_ahead([], 3, one, not_called)) == []
    assert not readers()


def test_the_next_items_are_made_while_one_is_used() -> None:
    third_made = threading.Event()

    def items() -> Iterator[int]:
        yield from (0, 1)
        third_made.set()
        yield 2

    found = read_ahead(items(), 4, one, not_called)
    assert next(found) == 0
    assert third_made.wait(20), "nothing was made ahead"
    assert list(found) == [1, 2]


def test_no_more_are_made_than_may_wait() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    given_up = threading.Event()
    found = read_ahead(items(), 5, one, given_up.set)
    assert next(found) == 0
    found.close()
    in_hand = 3  # one was used, one waits for room, one may be taken once nobody wants it
    assert len(made) <= 5 + in_hand
    assert given_up.is_set()
    assert not readers()


def test_what_goes_wrong_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    found = read_ahead(items(), 4, one, not_called)
    assert next(found) == 1
    with pytest.raises(ValueError, match="broken"):
        next(found)
    assert not readers()


def test_whoever_stops_does_not_wait_for_an_item_that_never_comes() -> None:
    ended = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        ended.wait(60)

    found = read_ahead(items(), 4, one, ended.set)
    next(found)
    found.close()
    assert ended.is_set()
    assert not readers()


def test_an_item_larger_than_all_that_may_wait_comes_all_the_same() -> None:
    assert list(read_ahead([3, 50, 4, 50], 10, int, not_called)) == [3, 50, 4, 50]
