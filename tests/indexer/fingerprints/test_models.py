"""Weights that do not ship with the package: pulled, brought, checked, refused."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from indexer.fingerprints.embedders import (
    Embedders,
    OnnxEmbedder,
    TorchEmbedder,
    dimensions_of,
    open_embedder,
)
from indexer.fingerprints.kinds import (
    DESCRIPTOR,
    DESCRIPTOR_V1,
    KINDS,
    Family,
    InvalidFingerprint,
    Kind,
    add_kind,
)
from indexer.fingerprints.lite0 import WrongWeights
from indexer.fingerprints.model_store import (
    BadModel,
    MissingWeights,
    UnknownModel,
    add,
    find_model,
    is_present,
    keep,
    list_models,
    path_of,
    register_model_kinds,
)
from indexer.fingerprints.models import SSCD_MIXUP, Model, Runtime
from tests.pictures import pixels
from tests.world import SeededEmbedder

CONTENT = b"weights" * 1000
PULLED = replace(SSCD_MIXUP, sha256=hashlib.sha256(CONTENT).hexdigest(), file_bytes=len(CONTENT))


class Tiny(torch.nn.Module):
    """A network that returns the means of 4 x 4 cells: 48 numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1) + 0.01


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.pt"
    trace: Callable[..., torch.jit.ScriptModule] = torch.jit.trace
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        trace(Tiny(), torch.zeros(1, 3, 32, 32)).save(str(path))
    return path


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.onnx"
    pool = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[8, 8], strides=[8, 8])
    flat = helper.make_node("Flatten", ["y"], ["z"])
    picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])
    out = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 48])
    made = helper.make_model(
        helper.make_graph([pool, flat], "tiny", [picture], [out]),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    made.ir_version = 10
    onnx.save(made, path)
    return path


def brought(name: str) -> Model:
    return Model(
        Kind(name, Family.VECTOR, 0), Runtime.ONNX, "of mine", "mine", 32, (120.0,) * 3, (60.0,) * 3
    )


def test_a_file_is_kept_when_it_is_the_pinned_one(tmp_path: Path) -> None:
    seen: list[int] = []
    assert not is_present(tmp_path, PULLED)
    path = keep(tmp_path, PULLED, iter([CONTENT[:10], CONTENT[10:]]), seen.append)
    assert seen == [10, len(CONTENT)]
    assert path_of(tmp_path, PULLED) == path
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "chunks",
    [[CONTENT[:-1]], [CONTENT, b"more"], [CONTENT[:-1] + b"!"], []],
    ids=["cut", "long", "other", "empty"],
)
def test_what_is_not_the_pinned_file_leaves_nothing_behind(tmp_path: Path, chunks: list[bytes]) -> None:
    with pytest.raises(BadModel):
        keep(tmp_path, PULLED, iter(chunks))
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_breaks_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield CONTENT[:10]
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        keep(tmp_path, PULLED, broken())
    assert list(tmp_path.iterdir()) == []


def test_weights_that_changed_on_disk_are_not_opened(tmp_path: Path) -> None:
    path = keep(tmp_path, PULLED, iter([CONTENT]))
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(BadModel, match="not the file"):
        path_of(tmp_path, PULLED)


def test_weights_that_are_not_here_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"trueprint models pull sscd\.v1"):
        open_embedder(SSCD_MIXUP, tmp_path)
    with pytest.raises(UnknownModel, match=DESCRIPTOR.name):
        find_model(tmp_path, "nope.v1")


@pytest.mark.parametrize("which", ["script", "graph"])
def test_a_file_of_ones_own_describes_pictures(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file: Path = request.getfixturevalue(which)
    folder, kind = tmp_path / "models", f"mine-{which}.v1"
    folder.mkdir()
    model = add(folder, file, brought(kind), dimensions_of)
    file.unlink()
    assert model.kind.size == 48
    assert list_models(folder)[kind] == model
    embedder = open_embedder(find_model(folder, kind), folder, "cpu")
    vectors = embedder.embed(
        [pixels("coffee"), np.ascontiguousarray(pixels("coffee")[10:-10]), pixels("hubble")]
    )
    assert embedder.kind == kind
    assert vectors.shape == (3, 48)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_torchscript_and_onnx_of_one_network_agree(script: Path, graph: Path) -> None:
    known = replace(brought("a.v1"), kind=Kind("a.v1", Family.VECTOR, 48))
    by_onnx = OnnxEmbedder(known, graph).embed([pixels("coffee")])
    by_torch = TorchEmbedder("cpu", replace(known, runtime=Runtime.TORCHSCRIPT), script).embed(
        [pixels("coffee")]
    )
    assert by_onnx[0] @ by_torch[0] > 0.999


@pytest.mark.parametrize("name", ["mine", "Mine.v1", "../mine.v1", "mine.v", DESCRIPTOR.name, ""])
def test_a_kind_is_a_name_of_its_own_with_a_version(name: str, tmp_path: Path, graph: Path) -> None:
    with pytest.raises(BadModel):
        add(tmp_path / "models", graph, brought(name), dimensions_of)


def test_files_that_are_no_models_are_refused_and_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    for name in ("broken.onnx", "broken.pt"):
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(WrongWeights):
            add(folder, tmp_path / name, brought("broken.v1"), dimensions_of)
    (tmp_path / "model.exe").write_bytes(b"")
    with pytest.raises(BadModel, match="ends in"):
        add(folder, tmp_path / "model.exe", brought("broken.v1"), dimensions_of)
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_kind_never_comes_to_mean_another_file(tmp_path: Path, graph: Path, script: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    add(folder, graph, brought("steady.v1"), dimensions_of)
    with pytest.raises(BadModel, match="new version"):
        add(folder, script, brought("steady.v1"), dimensions_of)
    assert add(folder, graph, brought("steady.v1"), dimensions_of) == find_model(folder, "steady.v1")
    with pytest.raises(InvalidFingerprint):
        add_kind(Kind("steady.v1", Family.VECTOR, 49))


def test_listing_models_registers_no_kind_and_registering_says_so(tmp_path: Path) -> None:
    model = replace(brought("listed.v1"), kind=Kind("listed.v1", Family.VECTOR, 48), sha256="0" * 64)
    (tmp_path / "listed.v1.json").write_text(json.dumps(asdict(model)))
    assert list_models(tmp_path)["listed.v1"] == find_model(tmp_path, "listed.v1") == model
    assert "listed.v1" not in KINDS
    register_model_kinds(tmp_path)
    assert KINDS["listed.v1"] == model.kind


def test_a_card_that_gives_a_known_kind_another_size_is_refused_when_kinds_are_registered(
    tmp_path: Path,
) -> None:
    model = replace(brought(SSCD_MIXUP.kind.name), kind=Kind(SSCD_MIXUP.kind.name, Family.VECTOR, 48))
    (tmp_path / f"{SSCD_MIXUP.kind.name}.json").write_text(json.dumps(asdict(model)))
    with pytest.raises(BadModel, match="512 numbers"):
        register_model_kinds(tmp_path)


def test_a_card_that_says_nothing_usable_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.v1.json").write_text('{"kind": 3}')
    with pytest.raises(BadModel, match=r"odd\.v1\.json"):
        list_models(tmp_path)


def test_an_older_descriptor_is_opened_when_it_is_needed_and_a_missing_one_is_not_an_error(
    tmp_path: Path,
) -> None:
    embedders = Embedders(tmp_path, SeededEmbedder(), "cpu")
    assert embedders.of(DESCRIPTOR.name) is embedders.wanted
    old = embedders.of(DESCRIPTOR_V1.name)
    assert old is not None
    assert old is embedders.of(DESCRIPTOR_V1.name)
    assert old.embed([pixels("coffee")]).shape == (1, DESCRIPTOR_V1.size)
    assert embedders.of(SSCD_MIXUP.kind.name) is None
