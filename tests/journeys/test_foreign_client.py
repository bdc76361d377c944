"""A client that we did not write (tlog-scales, Apache-2.0) reads and verifies the running log."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from registry.storage.db import transaction
from tests.pictures import encoded
from tests.witnesses import WitnessedWorld
from tests.world import DatabaseServer, World

TLOG_TILES = Path(sys.executable).with_name("tlog-tiles")


def ask(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([TLOG_TILES, *arguments], capture_output=True, check=False)


def test_a_foreign_client_verifies_entries_and_proofs_across_a_tile_boundary(world: World) -> None:
    if not TLOG_TILES.exists():
        pytest.skip("tlog-scales is not installed")
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee")).record
    with transaction(world.engine) as session:
        for number in range(300):
            world.services.log.append(session, "test", str(number).encode())
    prefix = f"{world.url}/log"
    for index in (0, record.log_index, 255, 256, 301):
        answer = ask("get-leaf", "-c", prefix, str(index))
        assert answer.returncode == 0, answer.stderr.decode()
        entry = json.loads(answer.stdout)
        assert set(entry) == {"v", "type", "commitment"}
    proof = ask("gen-proof", prefix, "256")
    assert proof.returncode == 0, proof.stderr.decode()
    assert proof.stdout.startswith(b"c2sp.org/tlog-proof@v1\nindex 256\n")


def test_the_foreign_client_notices_a_changed_hash(world: World) -> None:
    if not TLOG_TILES.exists():
        pytest.skip("tlog-scales is not installed")
    with transaction(world.engine) as session:
        for number in range(10):
            world.services.log.append(session, "test", str(number).encode())
    world.tamper("UPDATE log_tile SET hashes = set_byte(hashes, 3, get_byte(hashes, 3) # 1)")
    assert ask("get-leaf", "-c", f"{world.url}/log", "5").returncode != 0


def test_the_foreign_client_verifies_a_log_that_is_cosigned_and_each_line_of_its_witnesses(
    database_server: DatabaseServer, home: Path
) -> None:
    scales = pytest.importorskip("tlog_scales.tlog", reason="tlog-scales is not installed")
    signing = pytest.importorskip("tlog_scales.signing")
    with WitnessedWorld(database_server, home) as world:
        with transaction(world.engine) as session:
            for number in range(300):
                world.services.log.append(session, "test", str(number).encode())
        world.services.witnessing.cosign()
        for index in (0, 255, 256, 299):
            answer = ask("get-leaf", "-c", f"{world.url}/log", str(index))
            assert answer.returncode == 0, answer.stderr.decode()
        checkpoint = scales.Checkpoint.from_text(world.checkpoint())
        keys = [key.text() for key in (world.log_key, *world.witness_keys)]
        verified = signing.VkeySet(*map(signing.Vkey.from_string, keys)).verify(
            checkpoint.signatures, checkpoint
        )
        assert checkpoint.size == 300
        assert len(verified) == len(checkpoint.signatures) >= 3
