"""The network of `tp-desc.v2`, which describes a picture in 256 numbers so that copies are found.

EfficientNet-Lite0 is read at three depths, followed by GeM pooling (Radenović et al., 2018) and a linear
layer that whitens. Texture and detail tell two photographs of similar things apart. The trunk's last layer
was trained to ignore them and has mostly lost them; the two shallower maps still hold them. This module
knows nothing of files.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from indexer.fingerprints.lite0 import HEAD_CHANNELS, STAGES, Lite0

TAPS = {
    10: STAGES[4][1],
    14: STAGES[5][1],
}  # block -> channels: the last blocks that are 112 and 192 wide
POOLED = 2 * sum(TAPS.values()) + HEAD_CHANNELS  # taps have negative values too, the head has none
DIMENSIONS = 256
GEM_POWER = 3.0
# The published checkpoint was trained on (value - 127) / 128.
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0


def gem(maps: Tensor) -> Tensor:
    """Generalised mean over places, (n, c, h, w) -> (n, c); negative values count as zero."""
    return maps.float().clamp(min=1e-6).pow(GEM_POWER).mean((2, 3)).pow(1 / GEM_POWER)


class CopyNetwork(nn.Module):
    """Maps (n, 3, side, side) pixels to (n, 256) unit rows; 3.9 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Lite0()
        self.projection = nn.Linear(POOLED, DIMENSIONS)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) uint8 or float 0..255 -> (n, 256), each row of length one."""
        return self.describe(self.lower(x, 0), 0)

    def lower(self, x: Tensor, blocks: int) -> Tensor:
        """(n, 3, h, w) uint8 or float 0..255 -> the map after the first `blocks` blocks."""
        return self.trunk.lower((x.float() - PIXEL_MEAN) / PIXEL_SCALE, blocks)

    def pool(self, x: Tensor, first: int) -> Tensor:
        """The map before block `first` -> (n, 1888): every depth pooled and scaled to equal length."""
        *taps, head = self.trunk.upper(x, first, TAPS)
        signed = [torch.cat((gem(tap), gem(-tap)), 1) for tap in taps]
        return torch.cat([functional.normalize(pooled, dim=1) for pooled in (*signed, gem(head))], 1)

    def describe(self, x: Tensor, first: int) -> Tensor:
        """The map before block `first` -> (n, 256), each row of length one."""
        return functional.normalize(self.projection(self.pool(x, first)), dim=1)


def folded_network() -> CopyNetwork:
    """Builds the network with every batch norm folded into its convolution.

    It is trained, stored and run in this form. A batch of edited pictures has other statistics than
    pictures have; once folded, there are no statistics that could drift.
    """
    network = CopyNetwork().eval()
    network.trunk.fuse()
    return network
