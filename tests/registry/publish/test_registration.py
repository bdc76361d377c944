import hashlib
import io
import threading
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image
from sqlalchemy import text

from sdk.errors import BadRequest, Conflict, NotAllowed, NotAuthenticated, NotFound, ServerError
from sdk.keys import generate_key, public_jwk, thumbprint
from sdk.local import local_query, local_registration
from sdk.models import FingerprintQuery, Registration, Role, Scope, VerdictKind
from sdk.possession import prove_possession
from sdk.records import AssetClass, sign_statement
from sdk.verify import verify_receipt
from tests.pictures import DATA, encoded, flat, picture
from tests.world import World


def test_a_registration_gives_a_receipt_that_verifies_offline(world: World) -> None:
    desk, content = world.enrol("Daily Example"), encoded("coffee")
    answer = world.register(desk, content, "coffee.jpg")
    log = world.operator.log_state()
    verified = verify_receipt(
        answer.receipt, log_key=log.log_key, publisher_kid=thumbprint(desk.key), media=content
    )
    assert verified.statement.label == "coffee.jpg"
    assert answer.record.publisher_name == "Daily Example"
    assert not answer.already_registered
    world.audit()


def test_the_same_content_twice_is_the_same_record(world: World) -> None:
    desk, content = world.enrol("Daily Example"), encoded("coffee")
    first = world.register(desk, content)
    second = world.register(desk, content, "another label")
    assert second.already_registered
    assert second.record == first.record
    world.audit()


def test_fifty_retries_at_once_make_one_record(world: World) -> None:
    desk, content = world.enrol("Daily Example"), encoded("coffee")
    answers: list[Registration] = []

    def retry() -> None:
        answers.append(world.register(desk, content, idempotency_key="retry-0001"))

    threads = [threading.Thread(target=retry) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.record.id for answer in answers}) == 1
    assert [answer.already_registered for answer in answers].count(False) == 1
    world.audit()


def test_an_idempotency_key_belongs_to_one_request(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"), idempotency_key="morning-1")
    with pytest.raises(BadRequest) as error:
        world.register(desk, encoded("cat"), idempotency_key="morning-1")
    assert error.value.code == "idempotency_conflict"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (flat(), "insufficient_detail"),
        (encoded(Image.new("RGB", (8, 8), "red"), "PNG"), "insufficient_detail"),
        (encoded(picture("coffee").resize((20, 14)), "PNG"), "insufficient_detail"),
        (b"no picture", "unsupported_media"),
        (encoded("coffee")[:3000], "undecodable_media"),
        (b"", "unsupported_media"),
    ],
    ids=["one colour", "one colour and tiny", "tiny", "text", "cut", "empty"],
)
def test_what_cannot_be_fingerprinted_is_refused_and_leaves_nothing(
    world: World, content: bytes, code: str
) -> None:
    desk = world.enrol("Daily Example")
    size = world.operator.log_state().size
    with pytest.raises(BadRequest) as error:
        world.register(desk, content)
    assert error.value.code == code
    assert world.operator.log_state().size == size
    assert not list(world.settings.blob_folder.rglob("*.webp"))
    world.audit()


def test_who_registers_a_damaged_file_is_told_what_could_not_be_read(world: World) -> None:
    desk, content = world.enrol("Daily Example"), encoded("coffee")
    assert world.register(desk, content).notes == ()
    [note] = world.register(desk, content[: len(content) * 6 // 10]).notes
    assert "of its 400 rows are there" in note


def test_each_flaw_of_a_statement_has_its_own_code(world: World) -> None:
    desk, other = world.enrol("Daily Example"), world.enrol("Another desk")
    content = encoded("coffee")
    good = desk.statement(content, "a")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    cases = {
        "bad_signature": desk.sign(good)[:-6] + "AAAAAA",
        "key_not_valid": sign_statement(good, generate_key()),
        "digest_mismatch": desk.sign(desk.statement(b"other bytes", "a")),
        "bad_statement": desk.sign(good.model_copy(update={"issuer": "did:web:somebody.else"})),
        "bad_statement ": desk.sign(good.model_copy(update={"valid_from": tomorrow})),
        "not_allowed": other.sign(other.statement(content, "a")),
    }
    for code, statement in cases.items():
        with pytest.raises((BadRequest, NotAllowed)) as error:
            desk.client.register(content, statement)
        assert error.value.code == code.strip()
    fake = desk.sign(desk.statement(content, "a", AssetClass.KNOWN_FAKE))
    with pytest.raises(NotAllowed, match="publish_fake"):
        desk.client.register(content, fake)
    with pytest.raises(BadRequest) as error:
        desk.client.register(content, "no statement")
    assert error.value.code == "bad_statement"
    world.audit()


def test_a_statement_id_is_used_once(world: World) -> None:
    desk = world.enrol("Daily Example")
    statement = desk.statement(encoded("coffee"), "a")
    desk.client.register(encoded("coffee"), desk.sign(statement))
    other = desk.statement(encoded("cat"), "b").model_copy(update={"id": statement.id})
    with pytest.raises(Conflict) as error:
        desk.client.register(encoded("cat"), desk.sign(other))
    assert error.value.code == "duplicate_statement"


def test_a_near_copy_of_anothers_record_is_disputed_and_both_sides_show(world: World) -> None:
    first, second = world.enrol("First desk"), world.enrol("Second desk")
    original = world.register(first, encoded("coffee")).record
    copy = encoded(picture("coffee").resize((450, 300)), quality=60)
    claim = world.register(second, copy).record
    assert claim.disputed_with == (original.id,)
    assert world.operator.get_record(original.id).disputed_with == (claim.id,)
    verdict = first.client.match(encoded("coffee", quality=40)).verdict
    assert verdict.kind is VerdictKind.DISPUTED
    world.audit()


def test_a_derivative_that_names_its_source_is_not_disputed(world: World) -> None:
    first, second = world.enrol("First desk"), world.enrol("Second desk")
    original = world.register(first, encoded("coffee")).record
    crop = encoded(picture("coffee").crop((50, 30, 550, 370)))
    declared = world.register(
        second, crop, asset_class=AssetClass.DERIVATIVE, derived_from=(f"urn:uuid:{original.id}",)
    ).record
    assert declared.disputed_with == ()
    assert [(source.relation, source.target, source.origin) for source in declared.declared_sources] == [
        ("derived_from", original.id, "declared")
    ]
    world.audit()


def test_the_picture_is_kept_only_if_the_publisher_allows_it(world: World) -> None:
    desk = world.enrol("Daily Example")
    kept = world.register(desk, encoded(picture("coffee").resize((3000, 2000))), preview=True).record
    with Image.open(io.BytesIO(desk.client.preview(kept.id))) as preview:
        assert preview.format == "WEBP"
        assert max(preview.size) == world.settings.preview_long_side
    secret = world.register(desk, encoded("cat"), preview=False).record
    assert secret.preview is None
    with pytest.raises(NotFound):
        desk.client.preview(secret.id)
    kept_files = sorted(file.suffixes for file in world.settings.blob_folder.rglob("*.webp"))
    assert kept_files == [[".detail", ".webp"], [".webp"]]
    world.audit()


def test_fingerprints_alone_register_and_match_without_the_picture(world: World) -> None:
    desk, path = world.enrol("Daily Example"), DATA / "coffee.png"
    query = local_query(path)
    request = local_registration(
        list(query.fingerprints),
        desk.publisher.issuer,
        AssetClass.AUTHENTIC,
        "ab" * 32,
        "private",
        desk.key,
    )
    record = desk.client.register_fingerprints(request).record
    assert record.preview is None
    answer = desk.client.match_fingerprints(query)
    assert answer.matches[0].record.id == record.id
    assert not answer.matches[0].verified
    assert desk.client.match(encoded("coffee", quality=60)).matches[0].record.id == record.id
    unrelated = local_query(DATA / "astronaut.png")
    assert desk.client.match_fingerprints(unrelated).verdict.kind is VerdictKind.NOT_IN_REGISTRY
    swapped = request.model_copy(update={"fingerprints": unrelated.fingerprints})
    with pytest.raises(BadRequest) as error:
        desk.client.register_fingerprints(swapped)
    assert error.value.code == "fingerprint_mismatch"
    world.audit()


def test_bad_fingerprints_are_refused(world: World) -> None:
    desk = world.enrol("Daily Example")
    for value in ("pdq.v1:00", "nothing", "md5:abcd"):
        query = FingerprintQuery.model_validate({"fingerprints": [{"value": value}]})
        with pytest.raises(BadRequest) as error:
            desk.client.match_fingerprints(query)
        assert error.value.code == "invalid_fingerprint"


def test_a_withdrawn_record_matches_no_more_but_stays_readable(world: World) -> None:
    desk, other = world.enrol("Daily Example"), world.enrol("Another desk")
    record = world.register(desk, encoded("coffee")).record
    with pytest.raises(NotAllowed):
        other.client.withdraw(record.id)
    assert desk.client.withdraw(record.id).status == "withdrawn"
    assert desk.client.match(encoded("coffee")).matches == ()
    verify_receipt(desk.client.receipt(record.id))
    again = world.register(desk, encoded("coffee"))
    assert not again.already_registered
    world.audit()


def test_an_erased_record_leaves_only_its_log_entry(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee"), "a private label").record
    size = world.operator.log_state().size
    desk.client.erase(record.id)
    left = desk.client.get_record(record.id)
    assert (left.status, left.label, left.log_index) == ("erased", "(erased)", record.log_index)
    with pytest.raises(NotFound) as error:
        desk.client.receipt(record.id)
    assert error.value.code == "record_erased"
    assert desk.client.match(encoded("coffee")).matches == ()
    assert not list(world.settings.blob_folder.rglob("*.*"))
    assert world.operator.log_state().size == size + 1
    desk.client.erase(record.id)
    world.audit()


def test_neither_records_nor_entries_carry_the_value_of_a_fingerprint(world: World) -> None:
    desk = world.enrol("Daily Example")
    answer = world.register(desk, encoded("coffee"))
    with world.engine.connect() as connection:
        values = [bytes(row[0]) for row in connection.execute(text("SELECT value FROM fingerprint"))]
        entries = b"".join(bytes(row[0]) for row in connection.execute(text("SELECT entry FROM log_entry")))
    public = (
        answer.model_dump_json() + desk.client.get_record(answer.record.id).model_dump_json()
    ).encode()
    for value in values:
        for blob in (public, entries):
            assert value not in blob
            assert value.hex().encode() not in blob


def test_a_commit_that_fails_is_an_error_and_stores_nothing(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.tamper(
        "CREATE FUNCTION no() RETURNS trigger AS $$ BEGIN RAISE 'disk full'; END $$ LANGUAGE plpgsql;"
        "CREATE CONSTRAINT TRIGGER no AFTER INSERT ON record DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION no()"
    )
    with pytest.raises(ServerError) as error:
        world.register(desk, encoded("coffee"))
    assert error.value.code == "storage_failed"
    world.tamper("DROP TRIGGER no ON record")
    assert not world.register(desk, encoded("coffee")).already_registered
    world.audit()


WITH_KEYS = (Scope.REGISTER, Scope.MATCH, Scope.MANAGE_KEYS)


class TestKeys:
    def test_a_rotated_key_signs_nothing_new_and_its_records_stay_valid(self, world: World) -> None:
        desk = world.enrol("Daily Example", scopes=WITH_KEYS)
        old = world.register(desk, encoded("coffee"))
        new_key = generate_key()
        desk.client.rotate_key(
            desk.publisher.id,
            thumbprint(desk.key),
            public_jwk(new_key),
            prove_possession(new_key, desk.publisher.id),
        )
        with pytest.raises(BadRequest) as error:
            world.register(desk, encoded("cat"))
        assert error.value.code == "key_not_valid"
        statement = sign_statement(desk.statement(encoded("cat"), "cat"), new_key)
        assert desk.client.register(encoded("cat"), statement).record
        verify_receipt(old.receipt)
        keys = desk.client.list_keys(desk.publisher.id)
        assert [key.valid_until is None for key in keys] == [False, True]
        world.audit()

    def test_a_revoked_key_was_valid_before_and_is_not_after(self, world: World) -> None:
        desk = world.enrol("Daily Example", scopes=WITH_KEYS)
        kid = thumbprint(desk.key)
        enrolled = desk.client.list_keys(desk.publisher.id)[0].valid_from
        desk.client.revoke_key(desk.publisher.id, kid)
        validity = desk.client.key_validity
        assert not validity(kid, enrolled - timedelta(seconds=1)).valid
        assert validity(kid, enrolled + timedelta(microseconds=1)).valid
        after = validity(kid, datetime.now(UTC) + timedelta(seconds=1))
        assert not after.valid
        assert "revoked" in after.reason
        with pytest.raises(BadRequest, match="revoked"):
            world.register(desk, encoded("coffee"))
        world.audit()

    def test_keys_of_others_are_out_of_reach(self, world: World) -> None:
        desk, other = (world.enrol(name, scopes=WITH_KEYS) for name in ("Daily Example", "Another desk"))
        with pytest.raises(NotAllowed):
            other.client.revoke_key(desk.publisher.id, thumbprint(desk.key))
        with pytest.raises(NotAllowed):
            other.client.add_key(desk.publisher.id, public_jwk(generate_key()), "a.b.c")
        with pytest.raises(NotFound):
            desk.client.revoke_key(desk.publisher.id, thumbprint(other.key))
        proof = prove_possession(desk.key, other.publisher.id)  # even with its owner's consent
        with pytest.raises(Conflict):
            other.client.add_key(other.publisher.id, public_jwk(desk.key), proof)

    def test_api_keys_open_what_their_scopes_say_and_nothing_else(self, world: World) -> None:
        platform = world.enrol("A platform", Role.PLATFORM)
        assert platform.client.match(encoded("coffee")).matches == ()
        with pytest.raises(NotAllowed, match="scope register"):
            world.register(platform, encoded("coffee"))
        with pytest.raises(NotAllowed, match="scope admin"):
            platform.client.audit()
        with pytest.raises(NotAllowed, match="cannot have"):
            world.enrol("Greedy", Role.PLATFORM, [Scope.ADMIN])
        with pytest.raises(NotAuthenticated):
            world.client().match(encoded("coffee"))
        secret = platform.api_key.secret
        for wrong in (secret[:-1], secret[:-1] + ("a" if secret[-1] != "a" else "b"), "x", "a_b_c"):
            with pytest.raises(NotAuthenticated):
                world.client(wrong).match(encoded("coffee"))

    def test_a_revoked_or_expired_api_key_opens_nothing_and_secrets_are_not_stored(
        self, world: World
    ) -> None:
        platform, other = world.enrol("A platform", Role.PLATFORM), world.enrol("B", Role.PLATFORM)
        platform.client.match(encoded("coffee"))
        world.operator.revoke_api_key(platform.api_key.id)
        with pytest.raises(NotAuthenticated, match="revoked"):
            platform.client.match(encoded("coffee"))
        world.tamper("UPDATE api_key SET expires_at = now() WHERE id = :id", id=other.api_key.id)
        with pytest.raises(NotAuthenticated, match="expired"):
            other.client.match(encoded("coffee"))
        with world.engine.connect() as connection:
            rows = connection.execute(text("SELECT row_to_json(api_key)::text FROM api_key")).all()
        dump = " ".join(row[0] for row in rows)
        assert platform.api_key.secret.split("_")[2] not in dump
        assert '"last_used_at":"' in dump.replace(" ", "")


def test_what_is_made_from_an_intimate_record_is_intimate_unless_the_comparison_denies_it(
    world: World,
) -> None:
    desk, researcher = world.enrol("Daily Example"), world.enrol("A researcher", Role.RESEARCHER)
    original = world.register(desk, encoded("coffee"), intimate=True).record
    crop = encoded(picture("coffee").crop((40, 20, 560, 380)))
    fake = world.register(researcher, crop, derived_from=(original.id,)).record
    assert fake.intimate
    with pytest.raises(NotAllowed):
        desk.client.preview(fake.id)
    assert researcher.client.preview(fake.id)
    assert not world.register(researcher, encoded("cat"), derived_from=(original.id,)).record.intimate
    by_digest = f"urn:sha256:{hashlib.sha256(encoded('coffee')).hexdigest()}"
    assert world.register(researcher, encoded("rocket"), derived_from=(by_digest,)).record.intimate
    assert world.register(researcher, encoded("coins"), identity_from=(original.id,)).record.intimate
    world.audit()
