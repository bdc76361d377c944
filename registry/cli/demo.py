"""The main job on real pictures and a video that packages bring: register, match, explain, verify offline.

Nothing is fetched and nothing canned: the uploads are made from the originals on the spot.
"""

import random
import time
from importlib.util import find_spec
from pathlib import Path

from PIL import Image
from rich.table import Table

from indexer.compare.faces.weights import MissingFaceModels
from indexer.training.classical_swap import swap_face
from indexer.training.edits import Edit, overlays, screens, shape, tone
from registry.app import create_app
from registry.cli.demo_video import slowed
from registry.cli.home import open_home, open_services, serve_app, settings_of_folder
from registry.errors import StartRefused
from sdk import gate_calls
from sdk.answers import verify_answer
from sdk.bounded_connections import listen
from sdk.cli.inspect import in_layers
from sdk.cli.output import console, notes, styled
from sdk.client import Client
from sdk.decisions import verify_decision
from sdk.errors import VerificationError
from sdk.models import GateContext, Outcome, in_words
from sdk.registering import register_file
from sdk.signers import signer_of_home
from sdk.verify import verify_receipt

# Free terms: NASA and US Navy (public domain), scikit-image (CC0), iscc-samples (CC BY).
ORIGINALS = {
    "astronaut.png": ("skimage", "data/astronaut.png"),
    "cat.png": ("skimage", "data/chelsea.png"),
    "coffee.png": ("skimage", "data/coffee.png"),
    "rocket.jpg": ("skimage", "data/rocket.jpg"),
    "hubble.jpg": ("skimage", "data/hubble_deep_field.jpg"),
    "grace-hopper.jpg": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    "concert.mp4": ("iscc_samples", "files/video/demo.mp4"),
    "portrait.jpg": ("iscc_samples", "files/image/demo.jpg"),
}
DISTRACTORS = {
    "motorcycle.png": ("skimage", "data/motorcycle_left.png"),
    "cameraman.png": ("skimage", "data/camera.png"),
    "coins.png": ("skimage", "data/coins.png"),
}
SEED = 7
POLICY = "twitter-2020"
SLOWED_SECONDS, SLOWED_TO = (15.0, 27.0), 0.75


def package_file(package: str, path: str) -> Path:
    """A file that an installed package brings. Raises StartRefused."""
    spec = find_spec(package)
    file = Path((spec and spec.origin) or "").parent / path
    if spec is None or not file.is_file():
        raise StartRefused(f"{package} is missing: install trueprint[cpu,demo]")
    return file


def _shrunk(image: Image.Image, rng: random.Random) -> Image.Image:
    return tone.recompress(image.resize((image.width // 2, image.height // 2)), rng)


def _with_hoppers_face(image: Image.Image, _: random.Random) -> Image.Image:
    """A classical face swap, made on the spot: Grace Hopper's face on another portrait."""
    with Image.open(package_file(*ORIGINALS["grace-hopper.jpg"])) as donor:
        return swap_face(image, donor)


UPLOADS: tuple[tuple[str, str, Edit], ...] = (
    ("recompressed", "astronaut.png", _shrunk),
    ("cropped", "cat.png", shape.crop),
    ("face-swapped", "astronaut.png", _with_hoppers_face),
    ("mirrored", "grace-hopper.jpg", lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    ("captioned", "coffee.png", overlays.caption),
    ("screenshot", "rocket.jpg", screens.screenshot),
    ("recoloured", "portrait.jpg", tone.recolour),
    ("stickered", "hubble.jpg", overlays.place_stickers),
)


def copy_originals(folder: Path) -> list[Path]:
    """Write the pictures and the video that packages bring, byte for byte."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in ORIGINALS.items():
        (folder / name).write_bytes(package_file(*source).read_bytes())
    return [folder / name for name in ORIGINALS]


def make_uploads(folder: Path) -> list[Path]:
    """Write uploads made from the originals, the very file of one, and strangers."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    for name, original, edit in UPLOADS:
        with Image.open(package_file(*ORIGINALS[original])) as image:
            made = _edited(edit, image.convert("RGB"), rng)
        if made is not None:
            made.save(folder / f"{name}-{Path(original).stem}.jpg", quality=80)
    (folder / "unchanged-coffee.png").write_bytes(package_file(*ORIGINALS["coffee.png"]).read_bytes())
    concert = package_file(*ORIGINALS["concert.mp4"])
    (folder / "slowed-concert.mp4").write_bytes(slowed(concert, *SLOWED_SECONDS, SLOWED_TO))
    for name, source in DISTRACTORS.items():
        (folder / f"stranger-{name}").write_bytes(package_file(*source).read_bytes())
    return sorted(folder.iterdir())


def _edited(edit: Edit, image: Image.Image, rng: random.Random) -> Image.Image | None:
    try:
        return edit(image, rng)
    except MissingFaceModels as error:
        notes.print(f"No face swap is made: {error}", soft_wrap=True)
        return None


def run_demo(home: Path, port: int | None) -> None:
    """Run everything in the registry of `home`; keep serving on `port` if it is given."""
    started = time.perf_counter()
    pictures = home / "pictures"
    _head(f"1. A registry in {home}", "database, keys, log and index are made here.")
    with open_home(home) as (url, operator_key), Client(url, operator_key) as client:
        status = client.status()
        console.print(f"   {status.database}; {status.device}; {in_layers(status.isolation)}\n")
        originals = copy_originals(pictures / "originals")
        record = _register(client, home, originals)
        uploads = make_uploads(pictures / "uploads")
        _match(client, uploads)
        _verify(client, record, originals[-1])
        _decide(client, home, uploads)
        report = client.audit()
        state = "clean" if report.clean else f"{len(report.findings)} findings"
        _head("\n6. Audit", f"{state}; {report.log_size} log entries re-hashed, every decision followed.")
    console.print(f"\nDone in {time.perf_counter() - started:.0f} s. To open the page: make run, then")
    console.print(f"http://127.0.0.1:8000/ (drop a file of {pictures / 'uploads'} there).")
    if port is not None:
        _serve(home, port)


def _head(title: str, words: str) -> None:
    console.print(styled("bold", title, f": {words}"))


def _register(client: Client, home: Path, originals: list[Path]) -> str:
    _head("2. A publisher registers originals", "each under its signature.")
    signer = signer_of_home(client, home)
    record = ""
    for path in originals:
        answer = register_file(client, signer, path)
        record = answer.record.id
        status = "already registered" if answer.already_registered else "registered"
        console.print(f"   {status:18} {path.name:18} log entry {answer.record.log_index}")
    return record


def _match(client: Client, uploads: list[Path]) -> None:
    _head("\n3. A platform asks about uploads", "made from them just now, or strangers.")
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("upload", "strength", "answer"):
        table.add_column(column, overflow="fold", no_wrap=column == "strength")
    keys, verified = client.jwks(), 0
    for path in uploads:
        answer = client.match(path.read_bytes())
        verify_answer(answer, keys)
        verified += 1
        first = answer.matches[0] if answer.matches else None
        words = first.explanation if first else answer.verdict.sentence
        table.add_row(path.name, in_words(first.strength) if first else "-", words)
    console.print(table)
    console.print(f"   Every answer is signed by the registry: {verified} of {len(uploads)} verified.")


def _verify(client: Client, record: str, file: Path) -> None:
    _head(f"\n4. The receipt of {file.name} is verified offline", "the log's key pinned.")
    receipt, log_key = client.receipt(record), client.log_state().log_key
    for step in verify_receipt(receipt, log_key=log_key, media=file.read_bytes()).steps:
        console.print(f"   {step}")
    forged = receipt.model_copy(update={"entry": receipt.entry[:-4] + "AAA="})
    try:
        verify_receipt(forged, log_key=log_key)
    except VerificationError as error:
        console.print(f"   With its log entry changed it fails: {error}.")


def _decide(client: Client, home: Path, uploads: list[Path]) -> None:
    """What a platform would be told before it publishes, under Twitter's policy of 2020."""
    _head("\n5. The platform asks its policy", f"{POLICY}, before it publishes.")
    packs = client.send(gate_calls.list_packs())
    if not any(pack.active for pack in packs):
        client.send(gate_calls.activate(POLICY, "for the demonstration"))
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("upload", "outcome", "because"):
        table.add_column(column, overflow="fold", no_wrap=column == "outcome")
    keys, last = client.jwks(), ""
    for path in uploads:
        context = GateContext(content_ref=path.name, uploader_ref="demo", policy=POLICY)
        decision = client.gate(path.read_bytes(), context, wait=True)
        verify_decision(decision, keys)
        rule = decision.rule
        why = f"{rule.why} [{rule.rule}]" if rule else decision.failure.detail if decision.failure else ""
        table.add_row(path.name, in_words(decision.outcome), why)
        last = decision.id if decision.outcome is not Outcome.ALLOW else last
    console.print(table)
    console.print("   Each is signed and on record; of the last that was not allowed:")
    console.print(f"   trueprint decisions show {last} --home {home}", soft_wrap=True)


def _serve(home: Path, port: int) -> None:
    settings = settings_of_folder(home)
    with listen(settings.host, port) as listener, open_services(settings) as services:
        serve_app(create_app(services), listener)
