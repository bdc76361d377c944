"""How often the database is asked does not grow with what is found."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlmodel import Session

from indexer.fingerprints.kinds import PDQ
from registry.index.rows import rows_by_id
from tests.pictures import encoded
from tests.world import World


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    said: list[str] = []

    def heard(_: object, __: object, statement: str, *___: object) -> None:
        said.append(statement)

    event.listen(world.engine, "before_cursor_execute", heard)
    yield said
    event.remove(world.engine, "before_cursor_execute", heard)


def test_candidates_are_measured_by_one_query_however_many_they_are(world: World) -> None:
    platform = world.enrol("Platform")
    asked = []
    for number in range(3):
        desk = world.enrol(f"Desk {number}")
        world.register(desk, encoded("coffee", quality=70 + 10 * number))
        with statements(world) as said:
            answer = platform.client.match(encoded("coffee", quality=40))
        assert len(answer.matches) == number + 1
        asked.append(sum("FROM fingerprint" in statement for statement in said))
    assert asked == [asked[0]] * 3


def test_rows_are_asked_for_by_one_parameter_however_many_ids(world: World) -> None:
    record = world.register(world.enrol("Desk"), encoded("coffee")).record
    with Session(world.engine) as session:
        found = rows_by_id(session, range(1, 200_001), [PDQ.name])
    assert record.id
    assert len(found[PDQ.name][0]) == 1
