"""Weight files that do not ship with the package: they are pulled from a pinned address or added by path.

A file is identified by its SHA-256, which is checked when the file arrives and whenever it is opened,
because TorchScript is a program. A file is written under another name and moved into place once it is
complete, so that a download that breaks off is never taken for a model.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from indexer.fingerprints.kinds import Family, InvalidFingerprint, Kind, add_kind
from indexer.fingerprints.models import CATALOGUE, Model, Runtime

KIND_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}\.v[0-9]{1,4}")
SUFFIXES = {".onnx": Runtime.ONNX, ".pt": Runtime.TORCHSCRIPT, ".torchscript": Runtime.TORCHSCRIPT}
CHUNK = 1 << 20
Progress = Callable[[int], None]  # bytes so far


class ModelError(RuntimeError):
    """A model cannot be found, fetched or used."""


class UnknownModel(ModelError):
    """No model of that kind is known here."""


class MissingWeights(ModelError):
    """The model is known, but its file is not here."""


class BadModel(ModelError):
    """The file is not the expected one, or its card cannot be used."""


def list_models(folder: Path) -> dict[str, Model]:
    """The models of the catalogue and those whose cards lie in `folder`, by kind. Raises BadModel."""
    found = dict(CATALOGUE)
    for card in sorted(folder.glob("*.json")):
        if not KIND_NAME.fullmatch(card.stem):
            continue
        model = _read_card(card)
        found[model.kind.name] = model
    return found


def register_model_kinds(folder: Path) -> None:
    """Add the kind of every model in `folder` to `kinds.KINDS`, for this process and for good.

    Called once at start, before an index is built: indexes are made for the kinds that are known then.
    Raises BadModel where a card is damaged, or names a kind that already has another size.
    """
    for model in list_models(folder).values():
        _register_kind(model)


def find_model(folder: Path, kind: str) -> Model:
    """Returns the model of a kind. Raises UnknownModel, BadModel."""
    models = list_models(folder)
    if kind not in models:
        raise UnknownModel(f"no model {kind!r}; known are {', '.join(models)}")
    return models[kind]


def is_present(folder: Path, model: Model) -> bool:
    """Whether the weights of a model are here; their digest is checked when they are opened."""
    return model.runtime is Runtime.BUILT_IN or _place(folder, model).exists()


def path_of(folder: Path, model: Model) -> Path:
    """Returns the weight file, whose digest is checked. Raises MissingWeights, BadModel."""
    path = _place(folder, model)
    if not path.exists():
        how = f"trueprint models pull {model.kind.name}" if model.url else "trueprint models add"
        raise MissingWeights(f"the weights of {model.kind.name} are not in {folder}: {how}")
    if digest_of_file(path) != model.sha256:
        raise BadModel(f"{path} is not the file that {model.kind.name} was made with")
    return path


def keep(folder: Path, model: Model, chunks: Iterator[bytes], progress: Progress = lambda _: None) -> Path:
    """Writes a file that arrives in chunks, checks it and moves it into place. Raises BadModel."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _place(folder, model)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    digest, size = hashlib.sha256(), 0
    try:
        with part.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                if model.file_bytes is not None and size > model.file_bytes:
                    raise BadModel(f"more than the {model.file_bytes:,} bytes that were pinned")
                file.write(chunk)
                progress(size)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != model.sha256:
            raise BadModel(f"SHA-256 {digest.hexdigest()} of {size:,} bytes, pinned is {model.sha256}")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def add(folder: Path, source: Path, model: Model, dimensions_of: Callable[[Model, Path], int]) -> Model:
    """Adds a file under a kind of its own after a trial, and registers the kind. Raises BadModel."""
    runtime = SUFFIXES.get(source.suffix.lower())
    if runtime is None:
        raise BadModel(f"{source.name}: a model file ends in {', '.join(SUFFIXES)}")
    if not KIND_NAME.fullmatch(model.kind.name):
        raise BadModel(
            f"{model.kind.name!r} is no kind: lower-case letters and digits, then .v and a number"
        )
    if model.kind.name in CATALOGUE:
        raise BadModel(f"{model.kind.name} is taken: a kind is one model for ever")
    model = replace(model, runtime=runtime, sha256=digest_of_file(source), file_bytes=source.stat().st_size)
    card = folder / f"{model.kind.name}.json"
    if card.exists() and _read_card(card).sha256 != model.sha256:
        raise BadModel(f"{model.kind.name} names another file here: a new file is a new version")
    model = replace(model, kind=replace(model.kind, size=dimensions_of(model, source)))
    _register_kind(model)
    with source.open("rb") as file:
        keep(folder, model, iter(lambda: file.read(CHUNK), b""))
    text = json.dumps(asdict(model), indent=1)
    card.with_suffix(".part").write_text(text)
    os.replace(card.with_suffix(".part"), card)
    return model


def digest_of_file(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(folder: Path, model: Model) -> Path:
    suffix = ".onnx" if model.runtime is Runtime.ONNX else ".pt"
    return folder / f"{model.kind.name}{suffix}"


def _read_card(path: Path) -> Model:
    try:
        card = json.loads(path.read_text())
        kind = Kind(card["kind"]["name"], Family(card["kind"]["family"]), int(card["kind"]["size"]))
        mean, scale = (tuple(float(value) for value in card[name]) for name in ("mean", "scale"))
        card |= {"kind": kind, "runtime": Runtime(card["runtime"]), "mean": mean, "scale": scale}
        model = Model(**card)
    except (KeyError, TypeError, ValueError) as error:
        raise BadModel(f"{path} is no card of a model") from error
    return model


def _register_kind(model: Model) -> None:
    try:
        add_kind(model.kind)
    except InvalidFingerprint as error:
        raise BadModel(str(error)) from error
