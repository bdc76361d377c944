"""The network of `tp-desc.v1`: whitened ImageNet features, kept for registries that hold such descriptors.

It is EfficientNet-Lite0 trained on ImageNet (Apache-2.0), GeM pooling (Radenović et al., 2018) and a
whitening to 256 dimensions, learned by `indexer.training.whitening`.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from indexer.fingerprints.copy_network import PIXEL_MEAN, PIXEL_SCALE, gem
from indexer.fingerprints.kinds import DESCRIPTOR_V1
from indexer.fingerprints.lite0 import HEAD_CHANNELS, Lite0, load_imagenet_weights

WHITENING_FILE = Path(__file__).parents[1] / "weights" / f"{DESCRIPTOR_V1.name}-whitening.safetensors"


class ImagenetDescriptor(nn.Module):
    """The trunk, GeM pooling, whitening and normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Lite0()
        self.mean = nn.Buffer(torch.zeros(HEAD_CHANNELS))
        self.projection = nn.Buffer(torch.zeros(HEAD_CHANNELS, DESCRIPTOR_V1.size))

    def pool(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) uint8 or float 0..255 -> (n, 1280), before whitening."""
        maps: Tensor = self.trunk((x.float() - PIXEL_MEAN) / PIXEL_SCALE)
        return gem(maps)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, 256), each row of length one."""
        pooled = nn.functional.normalize(self.pool(x), dim=1)
        return nn.functional.normalize((pooled - self.mean) @ self.projection, dim=1)


def load_imagenet_descriptor() -> ImagenetDescriptor:
    """Loads the trunk from its package and the whitening from ours. Raises WrongWeights."""
    network = ImagenetDescriptor()
    network.trunk.load_state_dict(load_imagenet_weights())
    whitening = load_file(WHITENING_FILE)
    network.mean.copy_(whitening["mean"].float())
    network.projection.copy_(whitening["projection"].float())
    network.eval().trunk.fuse()
    return network
