"""Writes the trunk of `tp-desc.v2` as the two ONNX files that CPUs run.

    python -m indexer.training.export clean-224.tar clean-wide-224.tar --out indexer/weights

`tp-desc.v2.onnx` computes in float32 what the network in torch computes, from the same float16 weights.
`tp-desc.v2.int8.onnx` computes nearly the same in 8-bit integers, in less than half the time; the ranges of
its activations come from the given pictures. Needs the packages `onnx` and `onnxruntime`.
"""

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from indexer.fingerprints.copy_embedder import FAST_TRUNK_FILE, INPUT, OUTPUTS, PARTS_SIDE, TRUNK_FILE
from indexer.fingerprints.copy_network import PIXEL_MEAN, PIXEL_SCALE, TAPS, folded_network
from indexer.fingerprints.embedders import load_copy_network
from indexer.fingerprints.embedding import square
from indexer.fingerprints.lite0 import InvertedResidual, Lite0
from indexer.training.pictures import PictureBank, pack

OPSET, IR_VERSION = 17, 8  # what ONNX Runtime has read since 1.12
CALIBRATION_PICTURES = 256  # spread over the set


class _Graph:
    """A graph under construction; weights are kept in float16 and widened once, when it is loaded."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, value: npt.NDArray[np.float32], name: str) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def weights(self, value: npt.NDArray[np.float32], name: str) -> str:
        self.constants.append(numpy_helper.from_array(value.astype(np.float16), f"{name}.half"))
        return self.add("Cast", [f"{name}.half"], name, to=TensorProto.FLOAT)

    def convolution(self, x: str, layer: nn.Module, name: str) -> str:
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        kernel, stride = layer.kernel_size[0], layer.stride[0]
        # TensorFlow's SAME padding of a side that the stride divides: sides are multiples of 32.
        padding = max(kernel - stride, 0)
        before, after = padding // 2, padding - padding // 2
        return self.add(
            "Conv",
            [
                x,
                self.weights(layer.weight.detach().numpy(), f"{name}.weight"),
                self.weights(layer.bias.detach().numpy(), f"{name}.bias"),
            ],
            name,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=layer.groups,
        )

    def relu6(self, x: str) -> str:
        return self.add("Clip", [x, "zero", "six"], f"{x}.relu6")

    def block(self, x: str, block: nn.Module, name: str) -> str:
        assert isinstance(block, InvertedResidual)
        wide = x
        if block.expands:
            wide = self.relu6(self.convolution(x, block._expand_conv, f"{name}.expand"))
        wide = self.relu6(self.convolution(wide, block._depthwise_conv, f"{name}.depthwise"))
        narrow = self.convolution(wide, block._project_conv, f"{name}.project")
        return self.add("Add", [x, narrow], f"{name}.sum") if block.residual else narrow


def trunk_model(trunk: Lite0) -> onnx.ModelProto:
    """The folded trunk: (1, 3, h, w) uint8, sides multiples of 32, to its maps at three depths, float32."""
    graph = _Graph()
    for name, value in (("mean", PIXEL_MEAN), ("scale", PIXEL_SCALE), ("zero", 0.0), ("six", 6.0)):
        graph.constant(np.array(value, np.float32), name)
    x = graph.add("Cast", [INPUT], "pixels.float", to=TensorProto.FLOAT)
    x = graph.add("Div", [graph.add("Sub", [x, "mean"], "pixels.centred"), "scale"], "pixels.scaled")
    x = graph.relu6(graph.convolution(x, trunk._conv_stem, "stem"))
    maps = []
    for number, block in enumerate(trunk._blocks):
        x = graph.block(x, block, f"block{number}")
        if number in TAPS:
            maps.append(x)
    maps.append(graph.relu6(graph.convolution(x, trunk._conv_head, "last")))
    widths = (*TAPS.values(), trunk._conv_head.out_channels)
    for name, of in zip(OUTPUTS, maps, strict=True):
        graph.add("Identity", [of], name)
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width, f"{name}_h", f"{name}_w"])
        for name, width in zip(OUTPUTS, widths, strict=True)
    ]
    pixels = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, 3, "h", "w"])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "efficientnet-lite0", [pixels], outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="trueprint",
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
    """Pictures as the trunk reads them."""

    def __init__(self, bank: PictureBank) -> None:
        step = max(1, len(bank) // CALIBRATION_PICTURES)
        self._left = iter(itertools.islice(range(0, len(bank), step), CALIBRATION_PICTURES))
        self._bank = bank

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        number = next(self._left, None)
        return None if number is None else {INPUT: square(self._bank[number], PARTS_SIDE)[None]}


def quantise(source: Path, target: Path, bank: PictureBank) -> None:
    """Writes the 8-bit form of a trunk, its ranges the least and greatest of what pictures give."""
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(source, prepared)
        quantize_static(
            prepared,
            target,
            _Pictures(bank),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )


def main() -> None:
    """Writes both files."""
    parser = argparse.ArgumentParser(description="Write the default descriptor's trunk for ONNX Runtime.")
    parser.add_argument("images", type=Path, nargs="+", help="folders or tar files of ordinary pictures")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    network = folded_network()
    network.load_state_dict(load_copy_network().state_dict())
    onnx.save(trunk_model(network.trunk), given.out / TRUNK_FILE.name)
    with tempfile.TemporaryDirectory() as scratch:
        quantise(
            given.out / TRUNK_FILE.name,
            given.out / FAST_TRUNK_FILE.name,
            pack(given.images, Path(scratch), None),
        )


if __name__ == "__main__":
    main()
