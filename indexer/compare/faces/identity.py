"""Tells persons apart by dlib's recognition network: 128 numbers that lie close together for one person.

The architecture of `dlib_face_recognition_resnet_model_v1` (Davis King, 2017): a ResNet of 29 convolutions,
trained so that two pictures of one person are nearer than 0.6 (L2). Its file is read as dlib wrote it.
"""

from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from indexer.compare.faces.weights import IDENTITY, MissingFaceModels, weight_path
from indexer.media.images import Pixels

CHIP_SIDE = 150
PADDING = 0.25
MEAN_RGB = (122.782, 117.001, 104.298)
SCALE = 256.0
# Channels and number of blocks of each stage; every stage but the first begins by halving the picture.
STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
DIMENSIONS = 128
# dlib's mean shape: outer and inner corner of the left eye, of the right eye, below the nose.
MEAN_SHAPE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ],
    np.float64,
)

Vectors = npt.NDArray[np.float32]  # (n, 128)
Points = npt.NDArray[np.float32]  # (n, 2)


def identity_vectors(chips: list[Pixels]) -> Vectors:
    """Returns (n, 128) float32 for (150, 150, 3) uint8 sRGB chips; compared by L2, norms are about 1.45."""
    if not chips:
        return np.zeros((0, DIMENSIONS), np.float32)
    batch = torch.from_numpy(np.stack(chips)).permute(0, 3, 1, 2).float()
    batch = (batch - torch.tensor(MEAN_RGB).view(1, 3, 1, 1)) / SCALE
    with torch.inference_mode():
        vectors: Vectors = _network()(batch).numpy()
    return vectors


def face_chip(pixels: Pixels, five: Points) -> Pixels:
    """Returns (150, 150, 3): the face upright and to size. `five` (5, 2): points in MEAN_SHAPE's order."""
    target = (PADDING + MEAN_SHAPE) / (2 * PADDING + 1) * CHIP_SIDE
    matrix = similarity_transform(five.astype(np.float64), target)
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    source = pixels
    if shrink < 0.5:  # a warp that also shrinks reads single pixels, which aliases
        factor = 2 * shrink
        source = np.asarray(
            cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8
        )
        matrix = matrix @ np.diag([pixels.shape[1] / source.shape[1], pixels.shape[0] / source.shape[0], 1])
    chip = cv2.warpAffine(source, matrix, (CHIP_SIDE, CHIP_SIDE), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, np.uint8)


def similarity_transform(
    source: npt.NDArray[np.float64], target: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Returns (2, 3): the least-squares rotation, scale and shift of (n, 2) points (Umeyama, 1991)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    centred, wanted = source - source_mean, target - target_mean
    u, values, vt = np.linalg.svd(wanted.T @ centred / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(signs) @ vt
    scale = float((values * signs).sum() / max(centred.var(0).sum(), 1e-12))
    return np.column_stack([scale * rotation, target_mean - scale * rotation @ source_mean])


class _Block(nn.Module):
    """Two convolutions beside a shortcut, which is averaged where the block halves the picture."""

    def __init__(self, inner: int, outer: int, *, halves: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(inner, outer, 3, 2 if halves else 1, 0 if halves else 1)
        self.second = nn.Conv2d(outer, outer, 3, 1, 1)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        """(n, inner, h, w) -> (n, outer, h', w'), the smaller of the two padded with zeros."""
        y = self.second(functional.relu(self.first(x)))
        short = functional.avg_pool2d(x, 2, 2) if self.halves else x
        sides = [max(pair) for pair in zip(y.shape[1:], short.shape[1:], strict=True)]
        return functional.relu(_padded(y, sides) + _padded(short, sides))


def _padded(x: Tensor, sides: list[int]) -> Tensor:
    channels, height, width = (want - have for want, have in zip(sides, x.shape[1:], strict=True))
    return functional.pad(x, (0, width, 0, height, 0, channels)) if channels or height or width else x


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, 2)
        channels = [32, *(outer for outer, _ in STAGES)]
        blocks = [
            _Block(outer if place else inner, outer, halves=stage > 0 and place == 0)
            for stage, (inner, outer) in enumerate(pairwise(channels))
            for place in range(STAGES[stage][1])
        ]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(256, DIMENSIONS, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, 150, 150) -> (n, 128)."""
        x = functional.max_pool2d(functional.relu(self.stem(x)), 3, 2)
        vectors: Tensor = self.last(self.blocks(x).mean(dim=(2, 3)))
        return vectors


@cache
def _network() -> _Network:
    """Returns the network with dlib's weights, learned scales and shifts folded into the convolutions."""
    network, tensors = _Network(), _DlibTensors(weight_path(IDENTITY).read_bytes())
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        for convolution in convolutions:
            outer = convolution.out_channels
            values = tensors.next(convolution.weight.numel() + outer)
            scales, shifts = tensors.next(2 * outer).view(2, outer)
            weight, bias = values[:-outer].view_as(convolution.weight), values[-outer:]
            convolution.weight.copy_(weight * scales.view(-1, 1, 1, 1))
            assert convolution.bias is not None
            convolution.bias.copy_(bias * scales + shifts)
        network.last.weight.copy_(tensors.next(256 * DIMENSIONS, columns=DIMENSIONS).view(256, -1).T)
    return network.eval()


class _DlibTensors:
    """Parameter tensors in the order of a dlib network's stream (dlib's serialize.h and tensor.h).

    A tensor is its version 2, four sizes and its floats, little-endian; an integer is one byte that says
    how many bytes follow, then those bytes, lowest first.
    """

    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    def next(self, count: int, columns: int = 1) -> Tensor:
        """Returns the next tensor of `count` numbers. Raises MissingFaceModels."""
        sizes = (2, count // columns, columns, 1, 1)
        header = b"".join(_integer(size) for size in sizes)
        found = self._content.find(header, self._place)
        start = found + len(header)
        if found < 0 or start + 4 * count > len(self._content):
            raise MissingFaceModels("dlib's recognition network has another shape")
        self._place = start + 4 * count
        return torch.from_numpy(np.frombuffer(self._content, "<f4", count, start).copy())


def _integer(value: int) -> bytes:
    digits = value.to_bytes(max(1, (value.bit_length() + 7) // 8), "little")
    return bytes([len(digits)]) + digits
