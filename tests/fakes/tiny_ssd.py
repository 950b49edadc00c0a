"""A TFLite detector of 8 kB that really looks: it finds what is red and what is green.

It ends in TensorFlow's own `TFLite_Detection_PostProcess`, as Coral's detectors do, so everything
around a network can be tested where no model can be fetched. It answers with at most one box per
colour, around all pixels of that colour, exact to a pixel of its input (64 x 64 by default).

    write_tiny_ssd(path)                          classes 0 = red, 1 = green
    write_tiny_ssd(path, order="tf2", dtype="float32")

How: a 1 x 1 convolution and a sigmoid tell colour from no colour; the maxima over rows and columns
of that mask, each multiplied with its position, are the box's edges; one anchor per colour makes
them the offsets that the post-processing decodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl
from flatbuffers import flexbuffers

LABELS = ("red", "green")

Order = Literal["tf1", "tf2", "signature"]
OUTPUTS: dict[Order, tuple[str, ...]] = {
    "tf1": ("boxes", "ids", "scores", "count"),
    "tf2": ("scores", "boxes", "count", "ids"),
    "signature": ("ids", "count", "boxes", "scores"),
}
SIGNATURE = {"output_0": "count", "output_1": "scores", "output_2": "ids", "output_3": "boxes"}

# Pixels come as -1..1. Red is red without green and blue; black, white and grey are no colour.
COLOURS = np.array([[1, -1, -1], [-1, 1, -1]], dtype=np.float32) * 30
BIAS = np.array([-50, -50], dtype=np.float32)
OWN = np.eye(len(LABELS), dtype=np.float32)[None]


def write_tiny_ssd(
    path: Path,
    *,
    order: Order = "tf1",
    dtype: Literal["uint8", "int8", "float32"] = "uint8",
    width: int = 64,
    height: int = 64,
) -> None:
    """Write the detector to `path`; it takes one picture of `height` x `width`."""
    path.write_bytes(_model(order, dtype, width, height))


def write_labels(path: Path, labels: tuple[str, ...] = LABELS) -> None:
    """A label file beside it; name red "person" to have people."""
    path.write_text("".join(f"{label}\n" for label in labels))


def _model(order: Order, dtype: str, width: int, height: int) -> bytes:
    graph = _Graph()
    classes = len(LABELS)
    pixels = graph.input(dtype, (1, height, width, 3))
    best, (xmin, xmax), (ymin, ymax) = _found(graph, pixels, COLOURS, BIAS)
    boxes = graph.add(
        "CONCATENATION",
        [
            *(graph.middle(ymin, ymax), graph.middle(xmin, xmax)),
            *(graph.log_size(ymin, ymax, 1 / height), graph.log_size(xmin, xmax, 1 / width)),
        ],
        (1, classes, 4),
        options=_options("Concatenation", axis=2),
    )
    # Anchor k is for colour k alone: its scores for all others are 0.
    scores = graph.add("MUL", [best, graph.constant(OWN)], (1, classes, classes))

    anchors = graph.constant(np.tile(np.float32([0, 0, 1, 1]), (classes, 1)))
    outputs = {
        "boxes": graph.tensor((1, classes, 4)),
        "ids": graph.tensor((1, classes)),
        "scores": graph.tensor((1, classes)),
        "count": graph.tensor((1,)),
    }
    graph.custom("TFLite_Detection_PostProcess", [boxes, scores, anchors], list(outputs.values()))
    graph.outputs = [outputs[name] for name in OUTPUTS[order]]
    names = {name: outputs[what] for name, what in SIGNATURE.items()}
    return graph.serialised(pixels_of=graph.inputs[0], names=names if order == "signature" else {})


Edges = tuple[int, int]


def _found(graph: _Graph, pixels: int, colours: Any, bias: Any) -> tuple[int, Edges, Edges]:
    """How surely each colour is there, and from where to where in x and y: 1 x classes x 1 each."""
    _, height, width, _ = graph.shapes[pixels]
    classes = len(LABELS)
    shape = (1, height, width, classes)
    weights = [graph.constant(colours[:, None, None, :]), graph.constant(bias)]
    stride = _options("Conv2D", strideW=1, strideH=1)
    mask = graph.add("LOGISTIC", [graph.add("CONV_2D", [pixels, *weights], shape, stride)], shape)
    columns = graph.reduce_max(mask, 1, (1, width, classes))
    rows = graph.reduce_max(mask, 2, (1, height, classes))
    best = graph.reshape(graph.reduce_max(columns, 1, (1, classes)), (1, classes, 1))
    return best, _edges(graph, columns, width), _edges(graph, rows, height)


def _edges(graph: _Graph, presence: int, size: int) -> tuple[int, int]:
    """Where 1 x size x classes of presence begins and ends, as fractions: each 1 x classes x 1."""
    _, _, classes = graph.shapes[presence]
    from_start = (np.arange(size, dtype=np.float32) + 1)[None, :, None] / size
    to_end = from_start[:, ::-1]
    last, first = (
        graph.reshape(
            graph.reduce_max(
                graph.add("MUL", [presence, graph.constant(weights)], graph.shapes[presence]),
                1,
                (1, classes),
            ),
            (1, classes, 1),
        )
        for weights in (from_start, to_end)
    )
    one = graph.constant(np.ones((1, 1, 1), dtype=np.float32))
    return graph.add("SUB", [one, first], (1, classes, 1)), last


@dataclass
class _Graph:
    """Collects tensors and operators; a tensor is its number."""

    tensors: list[Any] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [tfl.BufferT()])
    codes: list[Any] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def tensor(self, shape: tuple[int, ...], kind: str = "FLOAT32", buffer: int = 0) -> int:
        made = tfl.TensorT()
        made.shape, made.type, made.buffer = list(shape), getattr(tfl.TensorType, kind), buffer
        made.name = f"tensor{len(self.tensors)}"
        self.tensors.append(made)
        self.shapes.append(shape)
        return len(self.tensors) - 1

    def input(self, dtype: str, shape: tuple[int, ...], low: float = -1.0) -> int:
        """The picture as float32 in low..1, dequantised if it comes as integers."""
        fed = self.tensor(shape, dtype.upper())
        self.inputs.append(fed)
        if dtype == "float32":
            return fed
        scale = (1 - low) / 255
        self.quantise(fed, scale, round((0 if dtype == "uint8" else -128) - low / scale))
        return self.add("DEQUANTIZE", [fed], shape)

    def quantise(self, tensor: int, scale: float, zero_point: int) -> None:
        quantisation = tfl.QuantizationParametersT()
        quantisation.scale, quantisation.zeroPoint = [scale], [zero_point]
        self.tensors[tensor].quantization = quantisation

    def constant(self, values: Any) -> int:
        buffer = tfl.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), dtype=np.uint8)
        self.buffers.append(buffer)
        kind = "INT32" if values.dtype == np.int32 else "FLOAT32"
        return self.tensor(values.shape, kind, len(self.buffers) - 1)

    def add(self, name: str, fed: list[int], shape: tuple[int, ...], options: Any = None) -> int:
        result = self.tensor(shape)
        self._operator(name, fed, [result], options or _options(OPTIONS.get(name)))
        return result

    def reduce_max(self, values: int, axis: int, shape: tuple[int, ...]) -> int:
        return self.add("REDUCE_MAX", [values, self.constant(np.int32([axis]))], shape)

    def reshape(self, values: int, shape: tuple[int, ...]) -> int:
        return self.add("RESHAPE", [values, self.constant(np.int32(shape))], shape)

    def middle(self, low: int, high: int) -> int:
        half = self.constant(np.full((1, 1, 1), 0.5, dtype=np.float32))
        shape = self.shapes[low]
        return self.add("MUL", [self.add("ADD", [low, high], shape), half], shape)

    def log_size(self, low: int, high: int, least: float) -> int:
        """A colour that is absent has a size below 0: made `least`, for its logarithm's sake."""
        floor = self.constant(np.full((1, 1, 1), least, dtype=np.float32))
        shape = self.shapes[low]
        size = self.add("MAXIMUM", [self.size(low, high), floor], shape)
        return self.add("LOG", [size], shape)

    def size(self, low: int, high: int) -> int:
        return self.add("SUB", [high, low], self.shapes[low])

    def custom(self, name: str, fed: list[int], results: list[int]) -> None:
        options = flexbuffers.Builder()
        with options.Map():
            for key, number in {
                "max_detections": len(LABELS),
                "max_classes_per_detection": 1,
                "detections_per_class": 1,
                "num_classes": len(LABELS),
            }.items():
                options.Int(key, number)
            options.Bool("use_regular_nms", False)
            options.Float("nms_score_threshold", 0.05)
            options.Float("nms_iou_threshold", 0.999)
            for key in ("y_scale", "x_scale", "h_scale", "w_scale"):
                options.Float(key, 1.0)
        self._operator(name, fed, results, None, bytes(options.Finish()))

    def _operator(
        self, name: str, fed: list[int], results: list[int], options: Any, custom: bytes = b""
    ) -> None:
        code = tfl.OperatorCodeT()
        code.builtinCode = getattr(tfl.BuiltinOperator, name, tfl.BuiltinOperator.CUSTOM)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.customCode = name if custom else None
        code.version = 1
        operator = tfl.OperatorT()
        operator.opcodeIndex = len(self.codes)
        operator.inputs, operator.outputs = fed, results
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(tfl.BuiltinOptions, kind)
            operator.builtinOptions = options
        if custom:
            operator.customOptions = np.frombuffer(custom, dtype=np.uint8)
        self.codes.append(code)
        self.operators.append(operator)

    def serialised(self, pixels_of: int, names: dict[str, int]) -> bytes:
        subgraph = tfl.SubGraphT()
        subgraph.tensors, subgraph.operators = self.tensors, self.operators
        subgraph.inputs, subgraph.outputs = self.inputs, self.outputs
        model = tfl.ModelT()
        model.version, model.description = 3, "finds red and green"
        model.subgraphs, model.buffers, model.operatorCodes = [subgraph], self.buffers, self.codes
        if names:
            signature = tfl.SignatureDefT()
            signature.signatureKey, signature.subgraphIndex = "serving_default", 0
            signature.inputs = [_named("picture", pixels_of)]
            signature.outputs = [_named(name, tensor) for name, tensor in names.items()]
            model.signatureDefs = [signature]
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


OPTIONS = {
    "MUL": "Mul",
    "ADD": "Add",
    "SUB": "Sub",
    "MAXIMUM": "MaximumMinimum",
    "REDUCE_MAX": "Reducer",
    "DEQUANTIZE": "Dequantize",
    "QUANTIZE": "Quantize",
    "TRANSPOSE": "Transpose",
    "PAD": "Pad",
}


def _options(kind: str | None, **fields: int) -> Any:
    if kind is None:
        return None
    made = getattr(tfl, f"{kind}OptionsT")()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def _named(name: str, tensor: int) -> Any:
    made = tfl.TensorMapT()
    made.name, made.tensorIndex = name, tensor
    return made
