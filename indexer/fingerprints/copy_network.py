"""The network of `tp-desc.v2`: what a picture is a copy of, in 256 numbers.

EfficientNet-Lite0 read at three depths, GeM pooling (Radenović et al., 2018), a linear layer that whitens.
What tells two photographs of one kind of thing apart is texture and detail, which the trunk's last layer,
trained to ignore it, has mostly lost; the two shallower maps still hold it. Knows nothing of files.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from indexer.fingerprints.lite0 import HEAD_CHANNELS, STAGES, Lite0

TAPS = {
    10: STAGES[4][1],
    14: STAGES[5][1],
}  # block -> channels: the last of the 112 and of the 192 wide ones
POOLED = 2 * sum(TAPS.values()) + HEAD_CHANNELS  # taps are signed, the head's map is not
DIMENSIONS = 256
GEM_POWER = 3.0
# The published checkpoint was trained on (value - 127) / 128.
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0


def gem(maps: Tensor) -> Tensor:
    """Generalised mean over places: (n, c, h, w) -> (n, c), negative values count as none."""
    return maps.float().clamp(min=1e-6).pow(GEM_POWER).mean((2, 3)).pow(1 / GEM_POWER)


class CopyNetwork(nn.Module):
    """(n, 3, side, side) pixels to (n, 256) unit rows; 3.9 M parameters."""

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
        """The map before block `first` -> (n, 1888): each depth pooled, and of equal length."""
        *taps, head = self.trunk.upper(x, first, TAPS)
        signed = [torch.cat((gem(one), gem(-one)), 1) for one in taps]
        return torch.cat([functional.normalize(one, dim=1) for one in (*signed, gem(head))], 1)

    def describe(self, x: Tensor, first: int) -> Tensor:
        """The map before block `first` -> (n, 256), each row of length one."""
        return functional.normalize(self.projection(self.pool(x, first)), dim=1)


def folded_network() -> CopyNetwork:
    """With every batch norm folded into its convolution, in which form it is trained, stored and run.

    Statistics of a batch of edited pictures are not those of pictures; folded, there are none to drift.
    """
    network = CopyNetwork().eval()
    network.trunk.fuse()
    return network
