"""Private keys are found in files, in the environment and in a PKCS#11 module, and sign alike."""

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from registry.errors import MissingKey
from registry.log.answer_signer import jwk_of
from registry.log.key_ring import KeyRing
from registry.log.signers import Algorithm, Signer
from registry.operate.bootstrap import initialise
from registry.settings import Settings
from registry.storage import db
from sdk.encodings import compact_jws, is_signed_by, parse_compact
from sdk.keys import import_public_key
from tests.pictures import encoded
from tests.world import DatabaseServer, World

SOFTHSM = next((path for path in map(Path, ("/usr/lib/softhsm/libsofthsm2.so",)) if path.exists()), None)
PIN = "1234"


def pem_of(key: Any, encryption: Any = None) -> bytes:
    encoded_key: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return encoded_key


def require_signs(signer: Signer, algorithm: Algorithm) -> None:
    if algorithm is Algorithm.ED25519:
        Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signer.sign(b"message"), b"message")
    else:
        text = compact_jws({"alg": "ES256"}, b"{}", signer.sign)
        assert is_signed_by(parse_compact(text, 1000), import_public_key(jwk_of(signer)))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path, algorithm: Algorithm) -> None:
    ring = KeyRing(tmp_path, "log", algorithm)
    assert ring.signers() == []
    made = ring.make_first()
    require_signs(made, algorithm)
    assert ring.make_first().public_key == made.public_key
    next_one = ring.make("2")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["log-2.pem", "log.pem"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
    assert [signer.public_key for signer in ring.signers()] == [made.public_key, next_one.public_key]
    assert ring.signer(next_one.public_key).public_key == next_one.public_key


@pytest.mark.parametrize("written", ["pem", "one line", "base64 of PEM", "base64 of DER"])
def test_a_key_in_the_environment_is_read_as_containers_hand_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    key = Ed25519PrivateKey.generate()
    pem = pem_of(key).decode()
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    value = {
        "pem": pem,
        "one line": pem.replace("\n", "\\n"),
        "base64 of PEM": base64.b64encode(pem.encode()).decode(),
        "base64 of DER": base64.b64encode(der).decode(),
    }[written]
    monkeypatch.setenv("THE_LOG_KEY", value)
    ring = KeyRing(tmp_path, "log", Algorithm.ED25519, ["env:THE_LOG_KEY"])
    [signer] = ring.signers()
    require_signs(signer, Algorithm.ED25519)
    assert not ring.makes_files


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (pem_of(generate_private_key(SECP256R1())), "does not hold a private key for Ed25519"),
        (pem_of(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"x")), "without a password"),
        (b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n", "without a password"),
        (b"", "without a password"),
    ],
)
def test_what_is_no_key_is_refused_and_never_repeated(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "log.pem").write_bytes(content)
    with pytest.raises(MissingKey, match=says) as refused:
        KeyRing(tmp_path, "log", Algorithm.ED25519).signers()
    assert "secret" not in str(refused.value)


def test_a_curve_of_another_size_signs_no_answers(tmp_path: Path) -> None:
    (tmp_path / "answers.pem").write_bytes(pem_of(generate_private_key(SECP384R1())))
    with pytest.raises(MissingKey, match="ES256"):
        KeyRing(tmp_path, "answers", Algorithm.ES256).signers()


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:NOT_SET_ANYWHERE", "not set"),
        ("file:nowhere.pem", "No such file"),
        ("vault:key", "no place of keys"),
        ("pkcs11:token=t;object=o?module-path=/m&pin-value=1234", "must not hold the PIN"),
        ("pkcs11:token=t?module-path=/m&pin-source=file:/p", "needs object or id"),
        ("pkcs11:object=o", "needs token, module-path, pin-source"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(tmp_path: Path, reference: str, says: str) -> None:
    with pytest.raises(MissingKey, match=says) as refused:
        KeyRing(tmp_path, "log", Algorithm.ED25519, [reference]).signers()
    assert "1234" not in str(refused.value)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A SoftHSM token with one key of each kind, `log` and `answers`; its PIN lies in a file."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed: trueprint[pkcs11]")
    if SOFTHSM is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed: apt-get install softhsm2")
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    (folder / "pin").write_text(PIN + "\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")  # read by the module, in this process
    command = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "registry",
        "--pin",
        PIN,
        "--so-pin",
        "0000",
    ]
    subprocess.run(command, check=True, capture_output=True)
    with pkcs11.lib(str(SOFTHSM)).get_token(token_label="registry").open(user_pin=PIN, rw=True) as session:
        for label in ("log", "log-2"):
            edwards = {pkcs11.Attribute.EC_PARAMS: bytes.fromhex("06032b6570")}  # id-Ed25519, RFC 8410
            curve = session.create_domain_parameters(pkcs11.KeyType.EC_EDWARDS, edwards, local=True)
            made_by = pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN
            curve.generate_keypair(mechanism=made_by, store=True, label=label)
        named = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        session.create_domain_parameters(pkcs11.KeyType.EC, named, local=True).generate_keypair(
            store=True, label="answers"
        )
    yield folder
    if before is None:
        del os.environ["SOFTHSM2_CONF"]


def uri(token: Path, label: str) -> str:
    return f"pkcs11:token=registry;object={label}?module-path={SOFTHSM}&pin-source=file:{token / 'pin'}"


@pytest.mark.parametrize(("label", "algorithm"), [("log", Algorithm.ED25519), ("answers", Algorithm.ES256)])
def test_a_key_in_a_pkcs11_module_signs_and_stays_there(
    token: Path, tmp_path: Path, label: str, algorithm: Algorithm
) -> None:
    ring = KeyRing(tmp_path, label, algorithm, [uri(token, label)])
    [signer] = ring.signers()
    require_signs(signer, algorithm)
    signer._token._close()  # type: ignore[attr-defined]  # the session is lost: it is opened anew
    require_signs(signer, algorithm)


def test_a_module_that_lost_its_key_is_told(token: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingKey, match="holds 0 keys named nothing"):
        KeyRing(tmp_path, "log", Algorithm.ED25519, [uri(token, "nothing")]).signers()
    with pytest.raises(MissingKey, match="PIN cannot be read"):
        KeyRing(tmp_path, "log", Algorithm.ED25519, [uri(token / "no", "log")]).signers()


def test_a_registry_runs_and_rotates_on_keys_that_it_never_sees(
    token: Path, database_server: DatabaseServer, home: Path
) -> None:
    from tests.registry.operate.test_key_rotation import retire_log, rotate_log

    keys = {"log_keys": f"{uri(token, 'log')} {uri(token, 'log-2')}", "answer_keys": uri(token, "answers")}
    with World(database_server, home, **keys) as world:
        desk = world.enrol("Daily Example")
        world.register(desk, encoded("coffee"), "coffee")
        rotate_log(world)
        retire_log(world)
        world.register(desk, encoded("cat"), "cat")
        world.audit()
        assert list(world.settings.key_folder.glob("*.pem")) == []
        assert world.operator.match(encoded("coffee")).signature


def test_a_new_registry_whose_keys_are_elsewhere_makes_none_here(
    database_server: DatabaseServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_KEY", pem_of(Ed25519PrivateKey.generate()).decode())
    url = database_server.new_database()
    settings = Settings(
        home=home, database_url=url, log_keys="env:LOG_KEY", answer_keys="env:NOT_SET_ANYWHERE"
    )
    engine = db.connect(url)
    with pytest.raises(MissingKey, match="NOT_SET_ANYWHERE"):
        initialise(settings, engine)
    engine.dispose()
    assert list(settings.key_folder.glob("*.pem")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_a_key_that_root_makes_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    ring = KeyRing(tmp_path, "log", Algorithm.ED25519)
    ring.make_first()
    another = tmp_path / "another"
    another.mkdir()
    (another / "secret").write_bytes(pem_of(Ed25519PrivateKey.generate()))
    (tmp_path / "log-0.pem").symlink_to(another / "secret")
    ring.make("2")
    assert {(tmp_path / name).stat().st_uid for name in ("log.pem", "log-2.pem")} == {12345}
    assert (another / "secret").stat().st_uid == 0
