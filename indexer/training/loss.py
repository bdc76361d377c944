"""The loss of copy detection, by which a copy gets nearer to its original than to any other picture.

InfoNCE with the entropy regulariser of SSCD (Pizzi et al., 2022; the regulariser after Sablayrolles et al.,
2019), over a memory of all originals (Wu et al., 2018) instead of a batch of thousands, which a CPU cannot
hold.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 0.05
ENTROPY_WEIGHT = 10.0
NEAREST = 1e-3  # smaller squared distances count as this, because the logarithm has no floor


@dataclass(frozen=True)
class Batch:
    """The descriptors of one step. Rows of `copies` belong to rows of `originals` by `owner`."""

    originals: Tensor  # (b, d) unit rows
    numbers: Tensor  # (b,) int64, the picture of each, which is its row of the memory
    copies: Tensor  # (c, d) unit rows
    owner: Tensor  # (c,) int64, the row of `originals`
    spared: Tensor  # (c, n) bool: no negatives, because the copy shows them too or they are near-duplicates


def copy_loss(batch: Batch, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the InfoNCE loss of copies against all originals, and their entropy term.

    `memory`: (n, d) the last descriptor of every original. The rows of this batch are replaced by the
    fresh ones, so that gradients reach both sides.
    """
    known = memory.index_put((batch.numbers,), batch.originals)
    similarity = (batch.copies @ known.T).masked_fill(batch.spared, -1e4)
    target = batch.numbers[batch.owner]
    contrast = functional.cross_entropy(similarity / TEMPERATURE, target)
    own = functional.one_hot(target, len(memory)).bool()
    nearest = similarity.masked_fill(own, -1.0).amax(1)
    entropy = -0.5 * torch.log((2 - 2 * nearest).clamp(min=NEAREST)).mean()
    return contrast, entropy


def total(contrast: Tensor, entropy: Tensor) -> Tensor:
    """Returns the quantity that is minimised."""
    return contrast + ENTROPY_WEIGHT * entropy
