"""Every kind of write of the registry, as something that can be prepared, done, and done again.

Done again after a fault, each must be answered: whoever asked does not know what became of it.
"""

import hashlib
import io
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from bench.faults.site import Site
from indexer.index.engines import host_of
from indexer.index.snapshot import take_snapshot, write_snapshot
from registry.errors import Conflict, InvalidRequest
from registry.index.local import LocalIndex
from registry.jobs import lifecycle
from registry.media.uploads import Upload
from registry.publish import registration, withdrawal
from registry.records import publishers
from registry.records.acts import LOCAL_OPERATOR
from registry.services import Services
from registry.storage.db import after_commit, transaction
from registry.storage.models import ApiKey
from registry.storage.models.records import ACTIVE, ERASED, WITHDRAWN
from sdk.keys import generate_key, public_jwk
from sdk.local import local_registration
from sdk.models import (
    FingerprintRegistration,
    FingerprintValue,
    NewApiKey,
    NewPublisher,
    NewPublisherKey,
    Role,
    Scope,
)
from sdk.possession import prove_possession
from sdk.records import AssetClass, new_statement, sign_statement

SIDE = 160  # pixels of a picture that costs little
ANY = "*"  # a record must be there, in whatever state
State = dict[str, Any]  # of one case, as JSON
Acknowledged = dict[str, str]  # what (record, key, job) by its id, or the state that a record has


@dataclass(frozen=True)
class Actor:
    """A running registry, and who acts in it."""

    services: Services
    site: Site
    uploads: dict[str, Upload] = field(default_factory=dict)  # a picture and a video, described before

    def api_key(self, session: Any) -> ApiKey:
        """The row of the key that calls come with."""
        row: ApiKey | None = session.get(ApiKey, self.site.api_key_id)
        assert row is not None
        return row


@dataclass(frozen=True)
class Write:
    """One kind of write. `act` returns what it acknowledges."""

    name: str
    prepare: Callable[[Actor], State]
    act: Callable[[Actor, State], Acknowledged]


def picture() -> bytes:
    """A small picture with enough detail, the same every time."""
    random = np.random.default_rng(8)
    coarse = random.integers(0, 255, (10, 10, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


def animation() -> bytes:
    """A small animation, the same every time."""
    random = np.random.default_rng(9)
    coarse = random.integers(0, 255, (6, 10, 10, 3), np.uint8)
    frames = [Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for one in coarse]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=400)
    return buffer.getvalue()


MEDIA: dict[str, Callable[[], bytes]] = {"picture": picture, "video": animation}


def _new_media(actor: Actor, kind: str) -> State:
    content = MEDIA[kind]() + secrets.token_bytes(16)  # another file, of the same picture
    digest = hashlib.sha256(content).hexdigest()
    statement = new_statement(
        actor.site.issuer, AssetClass.AUTHENTIC, digest, f"a {kind}", preview_allowed=True
    )
    jws = sign_statement(statement, actor.site.key)
    return {"kind": kind, "content": content.hex(), "jws": jws, "idempotency": secrets.token_hex(8)}


def _register_media(actor: Actor, state: State) -> Acknowledged:
    content = bytes.fromhex(state["content"])
    services = actor.services
    with transaction(services.engine) as session:
        request = registration.verify_request(
            session, actor.api_key(session), state["jws"], content, state["idempotency"]
        )
        answer = registration.known_answer(services, session, request)
        if answer is None:
            upload = replace(
                actor.uploads[state["kind"]], digest_sha256=request.verified.statement.digest_sha256
            )
            answer = registration.register_upload(services, session, request, upload)
    return {answer.record.id: ACTIVE}


def _new_fingerprints(actor: Actor) -> State:
    value = FingerprintValue(value=f"pdq.v1:{secrets.token_hex(32)}", quality=100)
    digest = secrets.token_hex(32)
    request = local_registration(
        [value], actor.site.issuer, AssetClass.AUTHENTIC, digest, "fingerprints", actor.site.key
    )
    return {"request": request.model_dump(mode="json"), "idempotency": secrets.token_hex(8)}


def _register_fingerprints(actor: Actor, state: State) -> Acknowledged:
    request = FingerprintRegistration.model_validate(state["request"])
    with transaction(actor.services.engine) as session:
        answer = registration.register_fingerprints(
            actor.services, session, actor.api_key(session), request, state["idempotency"]
        )
    return {answer.record.id: ACTIVE}


def register_something(actor: Actor) -> Acknowledged:
    """Registers fingerprints: the write that must work after everything."""
    return _register_fingerprints(actor, _new_fingerprints(actor))


def _registered_fingerprints(actor: Actor) -> State:
    (record,) = register_something(actor)
    return {"record": record}


def _registered_picture(actor: Actor) -> State:
    (record,) = _register_media(actor, _new_media(actor, "picture"))
    return {"record": record}


def _withdraw(actor: Actor, state: State) -> Acknowledged:
    with transaction(actor.services.engine) as session:
        withdrawal.withdraw(actor.services, session, actor.api_key(session), state["record"])
    return {state["record"]: WITHDRAWN}


def erase(actor: Actor, state: State) -> Acknowledged:
    """Erases a record."""
    with transaction(actor.services.engine) as session:
        withdrawal.erase(actor.services, session, actor.api_key(session), state["record"])
    return {state["record"]: ERASED}


def _new_publisher(_: Actor) -> State:
    return {"name": f"Desk {secrets.token_hex(6)}", "pem": _new_pem()}


def _new_pem() -> str:
    return generate_key().as_pem(private=True).decode()


def _key_of(state: State, publisher_id: str) -> NewPublisherKey:
    from joserfc.jwk import ECKey

    key = ECKey.import_key(state["pem"].encode())
    return NewPublisherKey(jwk=public_jwk(key), proof=prove_possession(key, publisher_id))


def _enrol(actor: Actor, state: State) -> Acknowledged:
    services = actor.services
    with transaction(services.engine) as session:
        new = NewPublisher(name=state["name"], contact="desk@example.org", role=Role.PUBLISHER)
        publisher = publishers.enrol(session, LOCAL_OPERATOR, new)
        row = publishers.add_key(
            session, services.log, LOCAL_OPERATOR, publisher, _key_of(state, publisher.id)
        )
        publishers.issue_api_key(
            session, LOCAL_OPERATOR, NewApiKey(publisher=publisher.id, scopes=(Scope.MATCH,))
        )
        after_commit(session, lambda: registration.publish_and_follow(services))
    return {row.kid: "key"}


def _enrolled(actor: Actor) -> State:
    (kid,) = _enrol(actor, _new_publisher(actor))
    return {"kid": kid, "pem": _new_pem()}


def _rotate(actor: Actor, state: State) -> Acknowledged:
    services = actor.services
    with transaction(services.engine) as session:
        old = publishers.get_key(session, state["kid"])
        publisher = publishers.get_publisher(session, old.publisher_id)
        row = publishers.rotate_key(
            session, services.log, LOCAL_OPERATOR, publisher, old.kid, _key_of(state, publisher.id)
        )
        after_commit(session, lambda: registration.publish_and_follow(services))
    return {row.kid: "key"}


def _revoke(actor: Actor, state: State) -> Acknowledged:
    services = actor.services
    with transaction(services.engine) as session:
        key = publishers.get_key(session, state["kid"])
        publisher = publishers.get_publisher(session, key.publisher_id)
        publishers.revoke_key(session, services.log, LOCAL_OPERATOR, publisher, key.kid)
        after_commit(session, lambda: registration.publish_and_follow(services))
    return {state["kid"]: "revoked"}


def _committed_only(actor: Actor) -> State:
    with transaction(actor.services.engine) as session:
        actor.services.log.append(session, "key", secrets.token_bytes(8))
    return {}


def _publish(actor: Actor, _: State) -> Acknowledged:
    with transaction(actor.services.engine) as session:
        actor.services.log.publish(session)
    return {}


def _store_blobs(actor: Actor, state: State) -> Acknowledged:
    blobs = actor.services.blobs
    key = blobs.put(".webp", b"a picture" * 100)
    blobs.put_beside(key, ".features.npz", b"features" * 100)
    lost = blobs.put(".webp", b"another")
    blobs.delete(lost)
    return {key: "blob", lost: "no blob"}


def _write_snapshot(actor: Actor, _: State) -> Acknowledged:
    index = actor.services.index
    assert isinstance(index, LocalIndex)
    for one in index.by_kind.values():
        host = host_of(one)
        if host is not None:
            write_snapshot(host, take_snapshot(host, index.position))
    return {}


def _accept_job(actor: Actor, state: State) -> Acknowledged:
    with transaction(actor.services.engine) as session:
        api_key = actor.api_key(session)
    job = lifecycle.accept(actor.services, api_key, picture(), lifecycle.NewJob(lifecycle.MATCH))
    return {job: "job"}


def _accepted_job(actor: Actor) -> State:
    (job,) = _accept_job(actor, {})
    return {"job": job}


def _run_job(actor: Actor, state: State) -> Acknowledged:
    lifecycle.run(actor.services, state["job"])
    return {state["job"]: "done job"}


def again(write: Write, actor: Actor, state: State) -> Acknowledged:
    """Does the same once more; that it was done already is an answer, too."""
    with suppress(Conflict, InvalidRequest):
        return write.act(actor, state)
    return {}


def _nothing(_: Actor) -> State:
    return {}


WRITES: dict[str, Write] = {
    write.name: write
    for write in (
        Write("register a picture", lambda actor: _new_media(actor, "picture"), _register_media),
        Write("register a video", lambda actor: _new_media(actor, "video"), _register_media),
        Write("register fingerprints", _new_fingerprints, _register_fingerprints),
        Write("withdraw", _registered_fingerprints, _withdraw),
        Write("erase", _registered_picture, erase),
        Write("enrol", _new_publisher, _enrol),
        Write("rotate a key", _enrolled, _rotate),
        Write("revoke a key", _enrolled, _revoke),
        Write("publish the checkpoint", _committed_only, _publish),
        Write("blobs", _nothing, _store_blobs),
        Write("snapshot of the index", _registered_fingerprints, _write_snapshot),
        Write("accept a job", _nothing, _accept_job),
        Write("work on a job", _accepted_job, _run_job),
    )
}
