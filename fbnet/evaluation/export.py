"""Export of a trained network to ONNX or torch.export, compared with our own prediction before the file appears."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import BinaryIO, Literal, get_args

import numpy as np
import torch
from torch.export import ExportedProgram

from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.labels import LabelSpec
from fbnet.errors import InputError
from fbnet.evaluation.deployed import DeployedNetwork, Returns, trace
from fbnet.evaluation.predictor import predict
from fbnet.io.files import sha256, write_whole
from fbnet.models import checkpoint
from fbnet.models.build import SegmentationNetwork
from fbnet.models.checkpoint import CheckpointConfig

Format = Literal["onnx", "torch-export"]
FORMATS: tuple[Format, ...] = get_args(Format)
TOLERANCE = 1e-3
"""Largest difference in probability from our own prediction."""
PACKAGES = ("fbnet", "torch", "onnx", "onnxscript")
AXES = ("batch", "height", "width")
"""Names of the dynamic axes in ONNX."""
METADATA = "metadata.json"
"""Name of the metadata in a file of torch.export."""

Predict = Callable[[np.ndarray], np.ndarray]
"""Exported network: images (N, H, W, 3) uint8 to its output."""


@dataclass(frozen=True)
class Parity:
    """Comparison of an exported network with our own prediction."""

    images: int
    height: int
    width: int
    difference: float
    """Largest difference in probability; of labels, how much less probable one is, by our prediction, than ours."""

    def __str__(self) -> str:
        return f"{self.images} x {self.height} x {self.width}: {self.difference:.1e}"


def export(path: Path, output: Path, format: Format, returns: Returns) -> list[Parity]:
    """Export the network of a checkpoint to a file, in float32.

    The file is read back, and run by onnxruntime or torch, before it gets its name.

    Args:
        path: a checkpoint.
        output: the file to write.
        format: `onnx`, or `torch-export` for a file of `torch.export.save`.
        returns: output of the network, see `DeployedNetwork`.

    Returns:
        The comparison with our own prediction at several sizes.

    Raises:
        InputError: for a missing or damaged checkpoint, a network that torch cannot export, and one whose export
            differs by more than TOLERANCE; there is no file then.
        ModuleNotFoundError: without the packages of the extra `export`.
    """
    if format == "onnx":
        import onnxruntime  # noqa: F401  before the work begins
        import onnxscript  # noqa: F401
    network, config = checkpoint.load(path)
    described = describe(config, returns) | {"checkpoint_sha256": sha256(path)}
    try:
        program = trace(DeployedNetwork(network, returns))
        content = _to_onnx(program, described) if format == "onnx" else _to_torch(program, described)
    except Exception as error:  # torch raises many kinds of exceptions for what it cannot trace
        problem = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: torch cannot export this network ({problem}); see --debug") from error
    compared = []

    def write(file: BinaryIO) -> None:
        file.write(content)
        file.flush()
        written = Path(file.name)
        exported = open_onnx(written) if format == "onnx" else open_program(written)
        compared.extend(compare(exported, network, returns))
        check(compared, output)

    write_whole(output, write)
    return compared


def describe(config: CheckpointConfig, returns: Returns) -> dict[str, object]:
    """Return the metadata of an exported network: its origin, classes, input, output and versions."""
    outputs = {
        "softmax": "probabilities: float32 (batch, class, height, width)",
        "labels": "labels: uint8 (batch, height, width), ids of the classes",
    }
    return {
        **{key: getattr(config, key) for key in ("study", "seed", "dataset", "width", "iterations")},
        "run": config.run.id,
        "classes": describe_classes(config.labels),
        "input": "images: uint8 (batch, height, width, 3), RGB; normalised and padded by the network",
        "output": outputs[returns],
        "versions": {name: version for name in PACKAGES if (version := _version(name)) is not None},
    }


def describe_classes(labels: LabelSpec) -> list[dict[str, object]]:
    """Return the classes in the order of the network's output."""
    return [
        {"id": index, "name": name, "colour": colour, "foreground": name in labels.foreground}
        for index, (name, colour) in enumerate(zip(labels.classes, labels.palette, strict=True))
    ]


def sizes(stride: int) -> tuple[tuple[int, int, int], ...]:
    """Return the number, height and width of images to compare: multiples of the stride or not, one and several."""
    return (1, 8 * stride, 16 * stride), (2, 12 * stride + 3, 6 * stride + 2), (1, 2 * stride, 25 * stride + 1)


def compare(exported: Predict, network: SegmentationNetwork, returns: Returns) -> list[Parity]:
    """Compare an exported network with our own prediction of seeded random images, in float32 on the CPU."""
    rng, settings = np.random.default_rng(0), EvaluationConfig(precision="float32")
    compared = []
    for number, height, width in sizes(max(network.backbone.strides.values())):
        blocks = rng.integers(0, 256, (number, -(-height // 8), -(-width // 8), 3), dtype=np.uint8)
        images = np.ascontiguousarray(blocks.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width])
        ours = [predict(network, image, settings, torch.device("cpu")).softmax(dim=0) for image in images]
        difference = _difference(exported(images), torch.stack(ours).numpy(), returns)
        compared.append(Parity(number, height, width, difference))
    return compared


def check(compared: list[Parity], output: Path) -> None:
    """Raise InputError if an exported network differs by more than TOLERANCE anywhere, or is not a number."""
    for parity in compared:
        if not parity.difference <= TOLERANCE:
            raise InputError(
                f"{output}: not written, as the exported network differs from ours by {parity.difference:.1e} for "
                f"{parity.images} x {parity.height} x {parity.width} pixels, more than {TOLERANCE:g}; "
                "try the other --format or another version of torch"
            )


def open_onnx(path: Path) -> Predict:
    """Open an exported ONNX file with onnxruntime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images})[0]


def open_program(path: Path) -> Predict:
    """Open an exported file of torch.export, on the CPU."""
    with path.open("rb") as file:
        module = torch.export.load(file).module()
    return torch.inference_mode()(lambda images: module(torch.from_numpy(images)).numpy())


def _to_onnx(program: ExportedProgram, described: dict[str, object]) -> bytes:
    output = str(described["output"]).partition(":")[0]
    exported = torch.onnx.export(
        program, dynamo=True, input_names=["images"], output_names=[output], external_data=False, verbose=False
    )
    proto = exported.model_proto
    proto.producer_name, proto.producer_version = "fbnet", metadata.version("fbnet")
    described = described | {"opset": next(entry.version for entry in proto.opset_import if not entry.domain)}
    for value, axes in ((proto.graph.input[0], (0, 1, 2)), (proto.graph.output[0], (0, -2, -1))):
        for axis, name in zip(axes, AXES, strict=True):  # instead of torch's own symbols
            value.type.tensor_type.shape.dim[axis].dim_param = name
    for key, value in described.items():
        proto.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    return proto.SerializeToString()


def _to_torch(program: ExportedProgram, described: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={METADATA: json.dumps(described, indent=1)})
    return buffer.getvalue()


def _difference(found: np.ndarray, probabilities: np.ndarray, returns: Returns) -> float:
    """Largest difference from our probabilities (N, classes, H, W); not a number if any value is none."""
    if returns == "softmax":
        return float(np.abs(found - probabilities).max())
    chosen = np.take_along_axis(probabilities, found[:, None].astype(np.int64), axis=1)[:, 0]
    return float((probabilities.max(axis=1) - chosen).max())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
