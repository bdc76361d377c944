import base64
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from sdk.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from sdk.cli import app
from sdk.cosignature import CLOCKS_DIFFER_S, cosign, witness_key
from sdk.errors import VerificationError
from sdk.keys import generate_key, public_jwk, thumbprint
from sdk.merkle import leaf_hash, root_of
from sdk.models import Receipt
from sdk.records import AssetClass, commitment, log_entry, new_statement, sign_statement
from sdk.tlog_proof import format_tlog_proof
from sdk.verify import verify_receipt

MEDIA = b"the very bytes of a picture"
LOG = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
OTHER_LOG = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
KEY, OTHER_KEY = generate_key(), generate_key()
SALT = bytes(range(32))


WITNESSES = {
    f"witness.example/w{number}": Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    for number in (11, 12, 13)
}
VKEYS = [witness_key(private_key, name).text() for name, private_key in WITNESSES.items()]


def make_receipt(
    key: Any = KEY,
    log: Ed25519PrivateKey = LOG,
    audience: tuple[str, ...] = (),
    cosigned_at: tuple[int, ...] = (),
) -> Receipt:
    import hashlib

    digest = hashlib.sha256(MEDIA).hexdigest()
    statement = new_statement("did:web:example.org", AssetClass.AUTHENTIC, digest, "a", audience=audience)
    record = sign_statement(statement, key)
    entry = log_entry("record", commitment(SALT, record.encode()))
    leaves = [leaf_hash(b"another"), leaf_hash(entry)]
    note = sign_checkpoint(Checkpoint("log.example", 2, root_of(leaves)), log)
    for (name, private_key), at in zip(WITNESSES.items(), cosigned_at, strict=False):
        note += cosign(note, private_key, name, at) + "\n"
    return Receipt(
        record=record,
        salt=base64.b64encode(SALT).decode(),
        entry=base64.b64encode(entry).decode(),
        proof=format_tlog_proof(1, [leaves[0]], note),
        publisher_key=public_jwk(key),
        log_key=verifier_key(log, "log.example").text(),
    )


RECEIPT = make_receipt(audience=("log.example",))
HASH = RECEIPT.proof.split("\n")[2]  # of 32 bytes, which leave two bits


def spare_bits(text: str) -> str:
    """The same bytes, in base64 whose last bits are not zero."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    return bare[:-1] + alphabet[alphabet.index(bare[-1]) + 1] + text[len(bare) :]


def with_extra(text: str) -> Receipt:
    proof = RECEIPT.proof.replace("\nindex", f"\nextra {text}\nindex")
    return RECEIPT.model_copy(update={"proof": proof})


def test_a_whole_receipt_verifies_with_pinned_keys_and_the_file_itself() -> None:
    verified = verify_receipt(RECEIPT, log_key=RECEIPT.log_key, publisher_kid=thumbprint(KEY), media=MEDIA)
    assert verified.log_index == 1
    assert verified.statement.label == "a"
    assert [step[:2] for step in verified.steps] == ["1.", "2.", "3.", "4.", "5."]


def test_a_proof_of_a_log_that_writes_extra_data_is_read() -> None:
    verify_receipt(with_extra("QQ=="))


def changed(text: str, place: int = 20) -> str:
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


@pytest.mark.parametrize(
    ("name", "receipt"),
    [
        (
            "another record under the same entry",
            RECEIPT.model_copy(update={"record": make_receipt().record}),
        ),
        ("a changed signature", RECEIPT.model_copy(update={"record": changed(RECEIPT.record, -20)})),
        ("a changed payload", RECEIPT.model_copy(update={"record": changed(RECEIPT.record, 300)})),
        ("another key", RECEIPT.model_copy(update={"publisher_key": public_jwk(OTHER_KEY)})),
        ("another salt", RECEIPT.model_copy(update={"salt": base64.b64encode(bytes(32)).decode()})),
        ("a short salt", RECEIPT.model_copy(update={"salt": base64.b64encode(SALT[:31]).decode()})),
        ("another entry", RECEIPT.model_copy(update={"entry": base64.b64encode(b"{}").decode()})),
        (
            "another index",
            RECEIPT.model_copy(update={"proof": RECEIPT.proof.replace("index 1", "index 0")}),
        ),
        ("no proof", RECEIPT.model_copy(update={"proof": ""})),
        ("another size", RECEIPT.model_copy(update={"proof": RECEIPT.proof.replace("\n2\n", "\n3\n")})),
        (
            "another log's checkpoint",
            RECEIPT.model_copy(update={"proof": make_receipt(log=OTHER_LOG).proof}),
        ),
        ("another spelling of the salt", RECEIPT.model_copy(update={"salt": spare_bits(RECEIPT.salt)})),
        ("a salt with a line's end", RECEIPT.model_copy(update={"salt": RECEIPT.salt + "\n"})),
        (
            "another spelling of a hash",
            RECEIPT.model_copy(update={"proof": RECEIPT.proof.replace(HASH, spare_bits(HASH))}),
        ),
        (
            "a space behind a hash",
            RECEIPT.model_copy(update={"proof": RECEIPT.proof.replace(HASH, HASH + " ")}),
        ),
        ("extra that is not base64", with_extra("a b")),
        (
            "another spelling of the key",
            RECEIPT.model_copy(
                update={"publisher_key": {**RECEIPT.publisher_key, "x": RECEIPT.publisher_key["x"] + "="}}
            ),
        ),
        ("no key", RECEIPT.model_copy(update={"publisher_key": {}})),
        ("a record with padding", RECEIPT.model_copy(update={"record": RECEIPT.record + "="})),
        ("a record for another registry", make_receipt(audience=("log.example/other",))),
        ("not a key of a log", RECEIPT.model_copy(update={"log_key": "log.example"})),
    ],
)
def test_each_single_corruption_of_a_receipt_is_found(name: str, receipt: Receipt) -> None:
    with pytest.raises(VerificationError):
        verify_receipt(receipt)


def test_a_receipt_that_is_whole_but_of_somebody_else_fails_against_pinned_keys() -> None:
    theirs = make_receipt(OTHER_KEY, OTHER_LOG)
    verify_receipt(theirs)
    with pytest.raises(VerificationError, match="another key"):
        verify_receipt(theirs, publisher_kid=thumbprint(KEY))
    with pytest.raises(VerificationError, match="not signed by the expected key"):
        verify_receipt(theirs, log_key=RECEIPT.log_key)
    with pytest.raises(VerificationError, match="not the one"):
        verify_receipt(RECEIPT, media=b"another file")


def test_a_receipt_says_how_many_of_the_trusted_witnesses_cosigned_it_and_when() -> None:
    receipt = make_receipt(cosigned_at=(1767225600, 1767225601))
    verified = verify_receipt(receipt, witnesses=VKEYS, quorum=2)
    assert verified.steps[5] == (
        "6. cosigned by 2 of 3 witnesses: witness.example/w11 at 2026-01-01 00:00:00 UTC, "
        "witness.example/w12 at 2026-01-01 00:00:01 UTC"
    )
    assert [cosignature.at for cosignature in verified.cosignatures] == [1767225600, 1767225601]
    assert len(verify_receipt(receipt).steps) == 5


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"witnesses": VKEYS}, "by 2 of 3 witnesses, 3 are wanted"),
        ({"witnesses": VKEYS[2:], "quorum": 1}, "by 0 of 1 witnesses, 1 are wanted"),
        ({"witnesses": VKEYS, "quorum": 2, "max_age_s": 60}, "too old"),
        ({"witnesses": VKEYS, "quorum": 4}, "cannot be had"),
        ({"quorum": 1}, "cannot be had"),
        ({"max_age_s": 60}, "cannot be had"),
        ({"witnesses": [RECEIPT.log_key]}, "not an Ed25519 verifier key of type 4"),
    ],
)
def test_a_receipt_that_too_few_witnesses_cosigned_does_not_hold(asked: dict[str, Any], says: str) -> None:
    receipt = make_receipt(cosigned_at=(1767225600, 1767225601))
    with pytest.raises(VerificationError, match=says):
        verify_receipt(receipt, **asked)


def test_a_cosignature_of_another_log_or_from_far_ahead_spoils_a_receipt() -> None:
    other = make_receipt(log=OTHER_LOG, cosigned_at=(1767225600,)).proof.split("\n")[-2]
    receipt = make_receipt()
    receipt = receipt.model_copy(update={"proof": receipt.proof + other + "\n"})
    verify_receipt(receipt)
    with pytest.raises(VerificationError, match="does not verify"):
        verify_receipt(receipt, witnesses=VKEYS, quorum=1)
    ahead = int(time.time()) + 10 * CLOCKS_DIFFER_S
    with pytest.raises(VerificationError, match="ahead of this clock"):
        verify_receipt(make_receipt(cosigned_at=(ahead,)), witnesses=VKEYS, quorum=1)


def test_the_command_counts_witnesses_and_refuses_what_cannot_be_counted(tmp_path: Path) -> None:
    receipt = make_receipt(cosigned_at=(1767225600, 1767225601))
    file = tmp_path / "receipt.json"
    file.write_text(receipt.model_dump_json(), encoding="utf-8")

    def verify(*options: str) -> Result:
        return CliRunner().invoke(app, ["verify", str(file), *options])

    both = ("--witness", VKEYS[0], "--witness", VKEYS[1])
    assert "6. cosigned by 2 of 2 witnesses" in verify(*both).stdout
    assert verify(*both, "--witness", VKEYS[2], "--quorum", "2").exit_code == 0
    assert verify(*both, "--witness", VKEYS[2]).exit_code == 3
    assert verify(*both, "--max-age", "60").exit_code == 3
    assert verify(*both, "--quorum", "3").exit_code == 2
    assert verify("--quorum", "1").exit_code == 2
    assert verify("--witness", RECEIPT.log_key).exit_code == 2
    assert verify(*both, "--witness", VKEYS[0]).exit_code == 2


def test_the_command_says_of_each_receipt_what_held_and_what_does_not(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    receipt = make_receipt()
    good.write_text(receipt.model_dump_json(), encoding="utf-8")
    other = receipt.model_copy(update={"log_key": make_receipt(log=OTHER_LOG).log_key})
    bad.write_text(other.model_dump_json(), encoding="utf-8")

    def verify(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["verify", *map(str, arguments)])

    both = verify(bad, good)
    assert both.exit_code == 3
    of_bad, of_good = both.stdout.split(str(good))
    assert of_bad.count("ok ") == 2
    assert "does not hold: " in of_bad
    assert of_good.count("ok ") == 5
    assert "1 of 2 receipts do not hold" in both.stderr
    assert verify(good, "--log-key", "nonsense").exit_code == 2
    assert verify(good, bad, "--media", good).exit_code == 2
