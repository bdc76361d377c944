"""Embedders, which turn frames into unit vectors. No other module runs descriptor models at query time.

The device is chosen once; a device that fails is given up for the CPU. Every embedder is safe to call from
many threads.
"""

import logging
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor

from indexer.fingerprints.copy_embedder import WEIGHTS_FILE, CopyEmbedder
from indexer.fingerprints.copy_network import CopyNetwork, folded_network
from indexer.fingerprints.dynamic_batching import DynamicBatcher
from indexer.fingerprints.embedding import ByCutting, Embedder, square, unit_rows
from indexer.fingerprints.imagenet_descriptor import load_imagenet_descriptor
from indexer.fingerprints.kinds import DESCRIPTOR, DESCRIPTOR_V1, Vectors
from indexer.fingerprints.lite0 import WrongWeights
from indexer.fingerprints.model_store import ModelError, find_model, path_of
from indexer.fingerprints.models import DEFAULT, Model, Runtime
from indexer.media.images import Pixels

_log = logging.getLogger(__name__)
# One picture's activations fit the cache of a core; in batches of 32, each picture takes twice as long.
CPU_BATCH, GPU_BATCH = 1, 64
CPU = "cpu"


class TorchEmbedder(ByCutting):
    """Runs a built-in network or a TorchScript file in torch."""

    def __init__(self, device: str | None = None, model: Model = DEFAULT, file: Path | None = None) -> None:
        self.kind, self.device = model.kind.name, device or best_device()
        self._model, self._file = model, file
        self._network = _load_on(self.device, model, file)
        # A device does one thing at a time; on a CPU, requests run beside each other on one core each.
        self._on_device = DynamicBatcher(self._try_device, GPU_BATCH)

    def embed(self, frames: list[Pixels]) -> Vectors:
        """See Embedder."""
        return self._describe(frames) if self.device == CPU else self._on_device(frames)

    def _try_device(self, frames: list[Pixels]) -> Vectors:
        if self.device != CPU:
            try:
                return self._describe(frames)
            except WrongWeights:  # the fault of the file, on any device
                raise
            except RuntimeError as error:  # what torch raises for a full, lost or broken device
                _log.warning(
                    "%s fails on device %s, and goes on on the CPU: %s", self.kind, self.device, error
                )
                # A lost device cannot be read, so the network is loaded anew. `device` is set last, because
                # other threads look at it first.
                self._network = _load_on(CPU, self._model, self._file)
                self.device = CPU
        return self._describe(frames)

    def _describe(self, frames: list[Pixels]) -> Vectors:
        prepared = torch.from_numpy(np.stack([square(frame, self._model.side) for frame in frames]))
        batch = CPU_BATCH if self.device == CPU else GPU_BATCH
        with torch.inference_mode():
            return np.concatenate([self._forward(some) for some in torch.split(prepared, batch)])

    def _forward(self, batch: Tensor) -> Vectors:
        batch = batch.to(self.device, memory_format=torch.channels_last)
        if self._model.runtime is not Runtime.BUILT_IN:
            batch = (batch.float() - _channels(self._model.mean, self.device)) / _channels(
                self._model.scale, self.device
            )
        return unit_rows(self._network(batch).float().cpu().numpy(), self._model)


class OnnxEmbedder(ByCutting):
    """Runs an ONNX file in ONNX Runtime."""

    device = "onnxruntime"

    def __init__(self, model: Model, file: Path) -> None:
        self.kind, self._model = model.kind.name, model
        try:
            self._session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library raises a dozen private types
            raise WrongWeights(f"{file.name} is no model that ONNX Runtime reads: {error}") from error
        self._input = self._session.get_inputs()[0].name

    def embed(self, frames: list[Pixels]) -> Vectors:
        """See Embedder."""
        rows = []
        for frame in frames:  # many files have a fixed batch of one
            pixels = square(frame, self._model.side).astype(np.float32)
            mean, scale = (
                np.array(values, np.float32)[:, None, None]
                for values in (self._model.mean, self._model.scale)
            )
            rows.append(self._session.run(None, {self._input: ((pixels - mean) / scale)[None]})[0])
        return unit_rows(np.concatenate(rows), self._model)


def open_embedder(model: Model, folder: Path, device: str | None = None) -> Embedder:
    """Loads a model. Raises WrongWeights, MissingWeights."""
    if model == DEFAULT:
        return open_default(device)
    if model.runtime is Runtime.BUILT_IN:
        return TorchEmbedder(device, model)
    return _open_file(model, path_of(folder, model), device)


def dimensions_of(model: Model, file: Path) -> int:
    """Returns how many numbers a model file gives, after a trial. Raises WrongWeights."""
    grain = np.random.default_rng(0).integers(0, 256, (model.side, model.side, 3), dtype=np.uint8)
    try:
        return int(_open_file(model, file, "cpu").embed([grain]).shape[1])
    except WrongWeights:
        raise
    except Exception as error:  # a foreign program may raise anything
        raise WrongWeights(f"it does not turn one RGB picture into one vector: {error}") from error


def _open_file(model: Model, file: Path, device: str | None) -> Embedder:
    if model.runtime is Runtime.ONNX:
        return OnnxEmbedder(model, file)
    return TorchEmbedder(device, model, file)


def open_default(device: str | None = None) -> Embedder:
    """Loads the descriptor that ships with this package. Raises WrongWeights."""
    return CopyEmbedder() if (device or best_device()) == CPU else TorchEmbedder(device)


class Embedders:
    """The embedder that describes pictures from now on, and those that described records before."""

    def __init__(self, folder: Path, wanted: Embedder, device: str | None = None) -> None:
        self.wanted = wanted
        self._folder, self._device = folder, device
        self._opening = threading.Lock()
        self._others: dict[str, Embedder | None] = {}

    def of(self, kind: str) -> Embedder | None:
        """Returns the embedder of a kind, or None where its model is not here, which is logged once."""
        if kind == self.wanted.kind:
            return self.wanted
        with self._opening:
            if kind not in self._others:
                try:
                    self._others[kind] = open_embedder(
                        find_model(self._folder, kind), self._folder, self._device
                    )
                except (ModelError, WrongWeights) as error:
                    _log.warning("records described by %s cannot be found by it: %s", kind, error)
                    self._others[kind] = None
            return self._others[kind]


def best_device() -> str:
    """Returns "cuda" where there is a CUDA device, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else CPU


def load_copy_network() -> CopyNetwork:
    """Loads the network of `tp-desc.v2` with the weights of this package. Raises WrongWeights."""
    network = folded_network()
    try:
        network.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS_FILE).items()})
    except (OSError, RuntimeError) as error:
        raise WrongWeights(f"{WEIGHTS_FILE.name} is not what {DESCRIPTOR.name} was made with") from error
    return network


def _load_on(device: str, model: Model, file: Path | None) -> Any:
    # This layout is a third faster on a CPU; torch knows the argument, its type hints do not.
    return _load(model, file).to(device, memory_format=torch.channels_last)


def _load(model: Model, file: Path | None) -> Any:
    if model.kind == DESCRIPTOR:
        return load_copy_network()
    if model.kind == DESCRIPTOR_V1:
        return load_imagenet_descriptor()
    if file is None:
        raise WrongWeights(f"{model.kind.name} does not ship with this package")
    try:
        with warnings.catch_warnings():
            # Torch recommends exported programs, but SSCD and others are published as TorchScript.
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(str(file), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise WrongWeights(f"{file.name} is no TorchScript file: {str(error).splitlines()[0]}") from error


def _channels(values: tuple[float, float, float], device: str) -> Tensor:
    return torch.tensor(values, device=device).view(1, 3, 1, 1)
