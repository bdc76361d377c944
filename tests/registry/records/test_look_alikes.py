import pytest

from registry.records.look_alikes import look_alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("BBC", "\u0412\u0412\u0421"),  # Cyrillic
        ("AI lab", "Al lab"),
        ("modern", "rnodern"),
        ("Paypal", "paypa1"),
        ("Google", "G00gle"),
        ("Reuters", "Reut\u212ers"),
        ("Le Monde", "LE-MONDE."),
    ],
)
def test_names_that_are_taken_for_one_another(one: str, other: str) -> None:
    assert look_alike(one, other)
    assert look_alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Desk 1", "Desk 2"), ("日本", "日木"), ("Über", "Uber"), ("कि", "की"), ("!", "?"), ("vw", "w")],
)
def test_names_that_are_told_apart(one: str, other: str) -> None:
    assert not look_alike(one, other)
