"""kill -9 at every write of a decision, and of the process that works on a video that the gate was asked
about: what was answered is there, its chain is whole, and a video ends in one decision.

    python -m tests.faults.test_gate_survives SETTINGS_JSON API_KEY_ID

decides about one picture a line in a child that kills itself at a chosen write, as `tests.faults.dies`.
"""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from indexer.media.frames import VideoInfo
from registry.app import running_services
from registry.gate import deciding
from registry.gate.asking import Question, prepare
from registry.records.access import Asker
from registry.settings import Settings
from registry.storage.db import connect, transaction
from registry.storage.models import ApiKey, DecisionEntry
from sdk import gate_calls
from sdk.decisions import verify_decision
from sdk.models import Decision, DecisionState, GateContext, JobStatus, Outcome, Role
from tests.faults.dies import SURVIVED, Countdown, obey, watch
from tests.faults.test_kill import die_at
from tests.pictures import encoded
from tests.registry.gate.desk import PACK
from tests.videos import original
from tests.waiting import soon
from tests.world import DatabaseServer, Party, SeededEmbedder, World

MOST_WRITES = 60
CONTEXT = GateContext(content_ref="one", uploader_ref="alice", on_failure=Outcome.REFUSE)


def decide_and_die(settings: Settings, api_key_id: str, order: dict[str, Any]) -> int:
    """A child's whole life; returns only if it does not come to its deadly write."""
    assert settings.database_url is not None
    content = Path(order["content"]).read_bytes()
    engine = connect(settings.database_url)
    countdown = Countdown(order["deadly"])
    watch(engine, countdown)
    with running_services(settings, engine, SeededEmbedder()) as services:
        countdown.armed = True
        with transaction(engine) as session:
            api_key = session.get(ApiKey, api_key_id)
            assert api_key is not None
            digest, key = hashlib.sha256(content).hexdigest(), services.webhook_key
            question = prepare(
                session, key, api_key, CONTEXT, digest, digest, order["idempotency_key"], "http://registry"
            )
            assert isinstance(question, Question)
        identified = services.uploads.decoders.identify(content)
        assert not isinstance(identified, VideoInfo)
        upload = services.uploads.describe_image(content, identified)
        with transaction(engine) as session:
            context = services.in_request(session, Asker(api_key))
            decision = deciding.decide(context, question, upload, with_evidence=False)
        Path(order["acknowledgement"]).write_text(decision.model_dump_json(exclude={"match"}))
        countdown.armed = False
    return SURVIVED


def platform_of(world: World) -> Party:
    platform = world.enrol("Chat", Role.PLATFORM)
    platform.client.send(gate_calls.add_pack(PACK))
    platform.client.send(gate_calls.activate("small", "our policy"))
    return platform


def entries(world: World) -> list[DecisionEntry]:
    with Session(world.engine) as session:
        return list(session.exec(select(DecisionEntry).order_by(col(DecisionEntry.number))))


@pytest.mark.slow
def test_death_at_every_write_loses_no_decision_that_was_answered(world: World, tmp_path: Path) -> None:
    paper = world.enrol("Daily Example")
    world.register(paper, encoded("coffee"), "a cup")
    platform, picture = platform_of(world), tmp_path / "coffee.jpg"
    content = encoded("coffee", quality=80)
    picture.write_bytes(content)
    command = [sys.executable, "-m", "tests.faults.test_gate_survives", world.settings.model_dump_json()]
    deaths, answered = 0, []
    with subprocess.Popen(
        [*command, platform.api_key.id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for deadly in range(1, MOST_WRITES):
            acknowledgement, key = tmp_path / f"answered-{deadly}", f"request-{deadly:04}"
            code = die_at(
                process,
                content=str(picture),
                acknowledgement=str(acknowledgement),
                idempotency_key=key,
                deadly=deadly,
            )
            assert code in (-signal.SIGKILL, SURVIVED)
            world.audit()
            there = entries(world)
            assert len(there) in (deadly - 1, deadly)
            # The caller does not know what happened, and sends the same request again.
            decision = platform.client.gate(content, CONTEXT, idempotency_key=key)
            assert (decision.outcome, decision.state) == (Outcome.LABEL, DecisionState.DECIDED)
            assert len(entries(world)) == deadly, "one request, one link"
            if len(there) == deadly:
                assert there[-1].decision_id == decision.id
            if acknowledgement.exists():
                told = Decision.model_validate_json(acknowledgement.read_text())
                assert platform.client.get_decision(told.id) == told
                assert decision.id == told.id
                answered.append(told)
            if code == SURVIVED:
                break
            deaths += 1
        else:
            pytest.fail("the decision never came to its end")
        assert process.stdin
        process.stdin.close()
    assert deaths >= 5
    assert answered
    world.restart()
    platform, jwks = world.again(platform), world.client(platform.api_key.secret).jwks()
    for told in answered:
        assert platform.client.get_decision(told.id) == told
        verify_decision(told, jwks)
    world.audit()


@pytest.mark.slow
def test_a_video_outlives_its_worker_and_ends_in_one_decision(
    database_server: DatabaseServer, home: Path
) -> None:
    names = ("coffee", "cat", "rocket", "astronaut")
    with World(database_server, home, video_workers=0) as world:
        platform = platform_of(world)
        said = GateContext.model_validate(
            {"signals": ("adult",), "on_failure": "refuse", "text": "planted-8"}
        )
        waiting = platform.client.gate(original(*names), said, idempotency_key="one-video-once")
        assert waiting.job is not None
        assert (waiting.state, waiting.outcome) == (DecisionState.WAITING, Outcome.HOLD)
        working = world.settings.model_copy(update={"video_workers": 1})
        command = [sys.executable, "-m", "tests.faults.works", working.model_dump_json()]
        with subprocess.Popen(command) as process:
            deadline = time.monotonic() + 60
            while (
                platform.client.get_job(waiting.job).status is JobStatus.QUEUED
                and time.monotonic() < deadline
            ):
                time.sleep(0.02)
            process.kill()
        assert platform.client.get_job(waiting.job).status is JobStatus.RUNNING
        world.audit()
        assert platform.client.get_decision(waiting.id) == waiting
        world.settings = working
        world.restart()
        platform = world.again(platform)
        job = waiting.job
        assert soon(lambda: platform.client.get_job(job).finished_at is not None)
        history = platform.client.send(gate_calls.decision_history(waiting.id))
        assert [one.state for one in history] == [DecisionState.WAITING, DecisionState.DECIDED]
        assert history[-1].outcome is Outcome.AGE_GATE
        assert len(entries(world)) == 2
        again = platform.client.gate(original(*names), said, idempotency_key="one-video-once")
        assert again.id == waiting.id
        for one in history:
            verify_decision(one, platform.client.jwks())
        world.audit()


def main() -> None:
    settings = Settings.model_validate_json(sys.argv[1])
    obey(lambda order: decide_and_die(settings, sys.argv[2], order))


if __name__ == "__main__":
    main()
