"""TFLite graphs: a loaded network, and how pixels and answers are stored in its tensors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from annotator.domain import Station
from annotator.errors import DeviceLost, ModelError, RuntimeUnavailable
from annotator.inference import edgetpu
from annotator.inference.tflite import installed_runtimes
from annotator.legible import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.image import Pixels

    Array = NDArray[np.float32]

ON_CPU = Station()
MAX_AUTO_THREADS = 4
"""A 300 x 300 detector hardly gains from more, and the decoder wants a core too."""


class InputRange(StrEnum):
    """Which numbers a network was trained to read a pixel's 0..255 as."""

    SIGNED = "-1 to 1"
    """TensorFlow's SSDs; MediaPipe's detectors (`output_tensor_float_range` in their graphs)."""
    UNIT = "0 to 1"
    """YOLO."""


@dataclass(frozen=True, slots=True)
class Quantisation:
    """How a tensor's stored values stand for real ones; a scale of 0 is for floats, as they are."""

    scale: float = 0.0
    zero_point: int = 0

    def real(self, values: NDArray[Any]) -> Array:
        import numpy as np

        real: Array = values.astype(np.float32, copy=False)
        return (real - self.zero_point) * np.float32(self.scale) if self.scale else real

    def stored(self, real: float) -> float:
        """What would be stored for a real number, not rounded."""
        return real / self.scale + self.zero_point if self.scale else real


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """An output as the file declares it; `signature` is its name there, "" without a signature."""

    shape: tuple[int, ...]
    signature: str
    quantisation: Quantisation = Quantisation()


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An output after a run, as it is stored: a head need not make floats of what it drops."""

    values: NDArray[Any]
    quantisation: Quantisation = Quantisation()

    def real(self) -> Array:
        return self.quantisation.real(self.values)


class Graph:
    """A loaded network: RGB in, tensors out. Not for use by two threads at once."""

    def __init__(self, interpreter: Any, model: bytes, station: Station):
        self._interpreter = interpreter
        self._model = model  # the interpreter reads this memory as long as it lives
        self._station = station
        self.delegate = station.delegate
        self._input = _picture_input(interpreter)
        _, self.height, self.width, _ = (int(size) for size in self._input["shape"])
        self._lookups: dict[InputRange, NDArray[Any] | None] = {}
        self._outputs = interpreter.get_output_details()
        names = _signature_names(interpreter)
        self.outputs = tuple(
            OutputTensor(
                tuple(int(size) for size in output["shape"]),
                names.get(output["index"], ""),
                _quantisation(output),
            )
            for output in self._outputs
        )

    def invoke(
        self, pixels: Pixels, input_range: InputRange = InputRange.SIGNED
    ) -> tuple[Answer, ...]:
        """Run one picture of `height` x `width` x 3; the outputs in the file's order."""
        if input_range not in self._lookups:
            self._lookups[input_range] = _input_lookup(self._input, input_range)
        lookup = self._lookups[input_range]
        fed = pixels if lookup is None else lookup.take(pixels)
        try:
            self._interpreter.set_tensor(self._input["index"], fed[None])
            self._interpreter.invoke()
        except RuntimeError as error:
            raise self._stopped(_one_line(error)) from _forgetting(error)
        return tuple(
            Answer(self._interpreter.get_tensor(output["index"]), declared.quantisation)
            for output, declared in zip(self._outputs, self.outputs, strict=True)
        )

    def close(self) -> None:
        """Let go of the interpreter, and with the last one of its Edge TPU; the graph is done."""
        self._interpreter = None

    def _stopped(self, reason: str) -> RuntimeUnavailable:
        if self.delegate == "edgetpu":
            return DeviceLost(
                f"the {self._station} failed: {reason}",
                "unplug it and plug it in again; see docs/edgetpu.md for cables and power",
            )
        return RuntimeUnavailable(
            f"the network stopped on the {self._station}: {reason}",
            "run it again; if it stays so, try another model",
        )


def load_graph(
    model: bytes,
    name: str,
    *,
    station: Station = ON_CPU,
    library: str = edgetpu.LIBRARY,
    threads: int = 0,
) -> Graph:
    """A graph from a model file's bytes; `name` is only for messages, `library` is libedgetpu.

    Raises ModelError where the file is at fault, DeviceLost where the Edge TPU is missing, held or
    failing, RuntimeUnavailable where the machine lacks something.
    """
    threads = threads or min(os.cpu_count() or 1, MAX_AUTO_THREADS)
    interpreter = None
    try:
        if station.delegate == "edgetpu":
            interpreter = edgetpu.open_interpreter(model, station.device, library, threads)
        else:
            tflite = installed_runtimes()[0].load()
            interpreter = tflite.Interpreter(model_content=model, num_threads=threads)
        interpreter.allocate_tensors()
        return Graph(interpreter, model, station)
    except (ValueError, RuntimeError) as error:
        raise _unusable(error, name, station) from _forgetting(error)
    finally:
        del interpreter  # what is raised must not keep the device


def _unusable(error: Exception, name: str, station: Station) -> ModelError:
    reason = _one_line(error)
    if isinstance(error, ValueError):  # truncated, empty, something else
        return ModelError(
            f"{name} is not a TFLite model: {reason}",
            "fetch it again with `annotator models fetch`, or name another file",
        )
    if edgetpu.CUSTOM_OP in reason:  # the delegate would have taken it
        return ModelError(
            f"{name} is compiled for the Edge TPU and cannot run on the {station}",
            "name the model without `_edgetpu` and let `delegate` choose",
        )
    return ModelError(
        f"{name} cannot be prepared on the {station}: {reason}",
        "use a model made for this version of TensorFlow Lite"
        + (" and of libedgetpu" if station.delegate == "edgetpu" else ""),
    )


def _forgetting(error: Exception) -> Exception:
    """Without the frames it passed: they hold the interpreter, and so its Edge TPU."""
    return error.with_traceback(None)


def _picture_input(interpreter: Any) -> dict[str, Any]:
    import numpy as np

    inputs: list[dict[str, Any]] = interpreter.get_input_details()
    shapes = [tuple(int(size) for size in tensor["shape"]) for tensor in inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][0] != 1 or shapes[0][3] != 3:
        raise ModelError(
            f"the model takes {shapes}, not one picture [1, height, width, 3]",
            "use a detector that takes one RGB picture",
        )
    dtype, scale = inputs[0]["dtype"], inputs[0]["quantization"][0]
    if dtype not in (np.uint8, np.float32) and not (dtype == np.int8 and scale):
        raise ModelError(
            f"the model takes {dtype.__name__} pixels{'' if scale else ' without a scale'}",
            "use a model with uint8, int8 or float32 input",
        )
    return inputs[0]


def _input_lookup(tensor: dict[str, Any], input_range: InputRange) -> NDArray[Any] | None:
    """What each pixel value 0..255 becomes; None where it is fed as it is.

    uint8 networks that read -1 to 1 take pixels as they are by TensorFlow's agreement, whatever
    scale the file gives. Otherwise an integer input holds the real value by its quantisation.
    """
    import numpy as np

    real = np.arange(256, dtype=np.float32) / np.float32(255)
    if input_range is InputRange.SIGNED:
        real = real * 2 - 1
    if tensor["dtype"] == np.float32:
        return real
    quantisation = _quantisation(tensor)
    if tensor["dtype"] == np.uint8 and (input_range is InputRange.SIGNED or not quantisation.scale):
        return None
    limits = np.iinfo(tensor["dtype"])
    stored = np.round(real / np.float32(quantisation.scale) + quantisation.zero_point)
    lookup: NDArray[Any] = np.clip(stored, limits.min, limits.max).astype(tensor["dtype"])
    return lookup


def _quantisation(tensor: dict[str, Any]) -> Quantisation:
    scale, zero_point = tensor["quantization"]
    return Quantisation(float(scale), int(zero_point))


def _signature_names(interpreter: Any) -> dict[int, str]:
    """Tensor index -> the output's name in the file's only signature, if it has one."""
    runner_of = getattr(interpreter, "get_signature_runner", None)
    if runner_of is None or len(interpreter.get_signature_list() or {}) != 1:
        return {}
    return {int(tensor["index"]): name for name, tensor in runner_of().get_output_details().items()}


def _one_line(error: Exception) -> str:
    return one_line(str(error)) or "no reason given"
