"""Who is accused of what: constellations of registered records, each asked about in every way.

Real pictures through the public surface. The table stands in `tests/data/constellations.txt`, so that its
sentences can be read aloud: none accuses wrongly. `python -m tests.journeys.test_constellations` writes it
again; whoever does that reads what has changed.
"""

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from indexer.compare.faces import weights
from registry.storage.embedded import EmbeddedDatabase
from sdk.local import local_query
from sdk.models import MatchAnswer, Role
from sdk.records import AssetClass
from tests.pictures import encoded
from tests.portraits import astronaut, swapped
from tests.world import DatabaseServer, Party, World

TABLE = Path(__file__).parents[1] / "data" / "constellations.txt"
WITH_FACE, WITHOUT_FACE = (0.05, 0.0, 0.85, 0.75), (0.0, 0.5, 1.0, 1.0)
CONSTELLATIONS = (
    "original",
    "fake",
    "original, fake of it",
    "fake, original",
    "original's crop",
    "fake's crop",
    "original, original's crop, fake of it",
    "fake, stranger's copy of the fake",
    "original, fake of it, stranger's copy of the fake",
    "original, rival",
    "original, rival, fake of it",
)


def cut(image: Image.Image, shares: tuple[float, float, float, float]) -> Image.Image:
    left, top, right, bottom = shares
    width, height = image.size
    return image.crop((int(left * width), int(top * height), int(right * width), int(bottom * height)))


UPLOADS: dict[str, Callable[[], bytes]] = {
    "original": lambda: encoded(astronaut(), quality=70),
    "fake": lambda: encoded(swapped(), quality=70),
    "original, cropped to the face": lambda: encoded(cut(astronaut(), WITH_FACE), quality=85),
    "fake, cropped to the face": lambda: encoded(cut(swapped(), WITH_FACE), quality=85),
    "crop without the face": lambda: encoded(cut(swapped(), WITHOUT_FACE), quality=85),
    "original, mirrored": lambda: encoded(ImageOps.mirror(astronaut()), quality=85),
    "fake, mirrored": lambda: encoded(ImageOps.mirror(swapped()), quality=85),
    "original's file": lambda: encoded(astronaut(), "PNG"),
    "fake's file": lambda: encoded(swapped(), "PNG"),
    "copy's file": lambda: encoded(swapped(), quality=93),
    "rival's file": lambda: encoded(astronaut(), quality=93),
    "hashes of the original": lambda: encoded(astronaut(), quality=70),
    "hashes of the fake": lambda: encoded(swapped(), quality=70),
}


def register_all(world: World, constellation: str) -> None:
    """Registers what a constellation consists of, in the order in which it is named."""
    desk, lab = world.enrol("Daily Example"), world.enrol("Lab", Role.RESEARCHER)
    stranger = world.enrol("Stranger")
    registered: dict[str, str] = {}
    for name in constellation.split(", "):
        sources = (registered["original"],) if name == "fake of it" else ()
        fake = AssetClass.KNOWN_FAKE if name.startswith("fake") else AssetClass.AUTHENTIC
        publisher, content = {
            "original": (desk, encoded(astronaut(), "PNG")),
            "original's crop": (desk, encoded(cut(astronaut(), WITH_FACE), "PNG")),
            "fake": (lab, encoded(swapped(), "PNG")),
            "fake of it": (lab, encoded(swapped(), "PNG")),
            "fake's crop": (lab, encoded(cut(swapped(), WITH_FACE), "PNG")),
            "stranger's copy of the fake": (stranger, encoded(swapped(), quality=93)),
            "rival": (stranger, encoded(astronaut(), quality=93)),
        }[name]
        answer = world.register(publisher, content, name, fake, derived_from=sources)
        registered[name] = answer.record.id


def ask(platform: Party, upload: str, folder: Path) -> MatchAnswer:
    content = UPLOADS[upload]()
    if not upload.startswith("hashes"):
        return platform.client.match(content)
    file = folder / "upload.jpg"
    file.write_bytes(content)
    query = local_query(file).model_copy(update={"digest_sha256": None})
    return platform.client.match_fingerprints(query)


def row_of(constellation: str, upload: str, answer: MatchAnswer) -> str:
    verdict = answer.verdict
    labels = {match.record.id: match.record.label for match in answer.matches}
    lead = labels.get(verdict.record or "", "-")
    sentence = re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d UTC)?", "DATE", verdict.sentence)
    columns = constellation, upload, verdict.kind, verdict.severity, lead, sentence
    return " | ".join(columns)


def rows(server: DatabaseServer, constellation: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, World(server, Path(folder) / "home") as world:
        register_all(world, constellation)
        platform = world.enrol("Platform", Role.PLATFORM)
        for upload in UPLOADS:
            yield row_of(constellation, upload, ask(platform, upload, Path(folder)))
        world.audit()


@pytest.mark.skipif(weights.missing_face_models() is not None, reason="the face networks are not installed")
@pytest.mark.parametrize("constellation", CONSTELLATIONS)
def test_every_question_about_a_constellation_gets_the_answer_of_the_table(
    database_server: DatabaseServer, constellation: str
) -> None:
    written = [row for row in TABLE.read_text().splitlines() if row.startswith(f"{constellation} | ")]
    assert list(rows(database_server, constellation)) == written


@pytest.mark.parametrize("row", TABLE.read_text().splitlines())
def test_no_row_of_the_table_accuses_wrongly(row: str) -> None:
    """By what was uploaded, whatever the program says: the table itself can be wrong."""
    registered, upload, kind, severity, _, sentence = row.split(" | ")
    shows_fake = upload.startswith(("fake", "copy"))
    if not shows_fake:
        assert kind not in ("known_fake", "ai_generated")
    if "fake" not in registered:
        assert "fake" not in sentence.partition(" Fingerprints cannot")[0]
    if upload.startswith("hashes"):
        assert kind in ("one_of_these", "not_in_registry")
    if shows_fake and kind == "known_fake":
        assert severity in ("misleading_capable", "person_altered")
    if not shows_fake and "a face was replaced" in sentence:
        pytest.fail("an untouched face is said to have been replaced")


def write_table() -> None:
    with tempfile.TemporaryDirectory(prefix="tp") as folder:
        Path(folder).chmod(0o755)
        database = EmbeddedDatabase(Path(folder) / "pg")
        try:
            server = DatabaseServer(database.url)
            server.make_template()
            table = [row for constellation in CONSTELLATIONS for row in rows(server, constellation)]
        finally:
            database.stop()
    TABLE.write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    write_table()
