"""The catalogue of descriptors: their authors and licences, and how a picture is prepared for each.

It knows no files and runs nothing: `model_store` finds the weights, `embedders` runs them.
"""

from dataclasses import dataclass
from enum import StrEnum

from indexer.fingerprints.kinds import DESCRIPTOR, DESCRIPTOR_V1, SSCD, Kind

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_SCALE = (58.395, 57.12, 57.375)


class Runtime(StrEnum):
    """What runs the weights."""

    BUILT_IN = "built in"
    TORCHSCRIPT = "torchscript"
    ONNX = "onnx"


@dataclass(frozen=True)
class Model:
    """One descriptor and how its input is prepared."""

    kind: Kind
    runtime: Runtime
    title: str
    licence: str
    side: int  # of the square input, in pixels; the aspect ratio is given up on purpose
    # The input is (value - mean) / scale by channel, of values 0..255; built-in networks do it themselves.
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    sha256: str | None = None  # of the weight file; built-in networks check their own
    file_bytes: int | None = None
    url: str | None = None  # None: it ships with this package, or an operator added it
    licence_url: str | None = None


COPY_DESCRIPTOR = Model(
    kind=DESCRIPTOR,
    runtime=Runtime.BUILT_IN,
    title="Trueprint's copy-detection descriptor (the default)",
    licence="Apache-2.0",
    side=192,
)
IMAGENET_FEATURES = Model(
    kind=DESCRIPTOR_V1,
    runtime=Runtime.BUILT_IN,
    title="whitened ImageNet features, the default of version 0.1",
    licence="Apache-2.0",
    side=256,
)
# Its training set, DISC21, was given for research; the weights themselves are under the MIT licence.
SSCD_MIXUP = Model(
    kind=SSCD,
    runtime=Runtime.TORCHSCRIPT,
    title="Meta's SSCD, ResNet-50, disc_mixup (Pizzi et al., 2022)",
    licence="MIT; trained on DISC21, whose pictures were given for research only",
    side=320,
    mean=IMAGENET_MEAN,
    scale=IMAGENET_SCALE,
    sha256="9f26bd4c848cc19b73d2ae92eea6e04886f61a7b764ceb7a13aeee62e6a6db56",
    file_bytes=98_791_638,
    url="https://dl.fbaipublicfiles.com/sscd-copy-detection/sscd_disc_mixup.torchscript.pt",
    licence_url="https://github.com/facebookresearch/sscd-copy-detection/blob/main/LICENSE",
)
CATALOGUE = {model.kind.name: model for model in (COPY_DESCRIPTOR, IMAGENET_FEATURES, SSCD_MIXUP)}
DEFAULT = COPY_DESCRIPTOR
