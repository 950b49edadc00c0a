"""TFLite graphs and what runs them; the only module that imports a TFLite runtime.

LiteRT is preferred, `tflite_runtime` is the fallback for an Edge TPU whose libedgetpu does not
match LiteRT. Google's pycoral is used for the Edge TPU where it is installed; the `pycoral` of the
Python package index is an unrelated program, told apart by what it lacks.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from annotator.errors import ModelError, RuntimeUnavailable

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.image import Pixels

    Array = NDArray[np.float32]

Device = Literal["cpu", "edgetpu"]

EDGETPU_LIBRARY = "libedgetpu.so.1"
MAX_AUTO_THREADS = 4
"""A 300 x 300 detector hardly gains from more, and the decoder wants a core too."""

_INSTALL_RUNTIME = "install it with: pip install ai-edge-litert"
_USE_CPU = 'plug the device in or set `delegate = "cpu"` in [inference]'


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """An output as the file declares it; `signature` is its name there, "" without a signature."""

    shape: tuple[int, ...]
    signature: str


class Graph:
    """A loaded network: RGB in, float32 tensors out. Not for use by two threads at once."""

    def __init__(self, interpreter: Any, model: bytes, device: Device):
        self._interpreter = interpreter
        self._model = model  # the interpreter reads this memory as long as it lives
        self.device: Device = device
        self._input = _picture_input(interpreter)
        _, self.height, self.width, _ = (int(size) for size in self._input["shape"])
        self._lookup = _input_lookup(self._input)
        self._outputs = interpreter.get_output_details()
        names = _signature_names(interpreter)
        self.outputs = tuple(
            OutputTensor(
                tuple(int(size) for size in output["shape"]), names.get(output["index"], "")
            )
            for output in self._outputs
        )

    def invoke(self, pixels: Pixels) -> tuple[Array, ...]:
        """Run one picture of `height` x `width` x 3; the outputs in the file's order."""
        fed = pixels if self._lookup is None else self._lookup[pixels]
        try:
            self._interpreter.set_tensor(self._input["index"], fed[None])
            self._interpreter.invoke()
        except RuntimeError as error:
            raise RuntimeUnavailable(
                f"the network stopped on the {self.device}: {_one_line(error)}",
                "run it again; if it stays so, try another model or delegate",
            ) from error
        return tuple(
            _dequantised(self._interpreter.get_tensor(output["index"]), output)
            for output in self._outputs
        )


def load_graph(model: bytes, name: str, *, device: Device, threads: int = 0) -> Graph:
    """A graph from a model file's bytes; `name` is only for messages.

    Raises ModelError where the file is at fault, RuntimeUnavailable where the machine is.
    """
    build = _edgetpu_interpreter if device == "edgetpu" else _cpu_interpreter
    try:
        interpreter = build(model, threads or min(os.cpu_count() or 1, MAX_AUTO_THREADS))
        interpreter.allocate_tensors()
    except ValueError as error:  # not a model: truncated, empty, something else
        raise ModelError(
            f"{name} is not a TFLite model: {_one_line(error)}",
            "fetch it again with `annotator models fetch`, or name another file",
        ) from error
    except RuntimeError as error:  # an operation that this runtime does not have
        if "edgetpu-custom-op" in str(error):
            raise ModelError(
                f"{name} is compiled for the Edge TPU and cannot run on the {device}",
                "name the model without `_edgetpu` and let `delegate` choose",
            ) from error
        raise ModelError(
            f"{name} cannot be prepared on the {device}: {_one_line(error)}",
            "use a model made for this version of TensorFlow Lite",
        ) from error
    return Graph(interpreter, model, device)


def _cpu_interpreter(model: bytes, threads: int) -> Any:
    return _tflite().Interpreter(model_content=model, num_threads=threads)


def _edgetpu_interpreter(model: bytes, threads: int) -> Any:
    coral = _google_pycoral()
    if coral is not None:
        try:
            delegate = coral.load_edgetpu_delegate()
        except (OSError, ValueError) as error:
            raise _no_device(error) from error
        return coral.make_interpreter(model, delegate=delegate)
    # Opened here first: `load_delegate` leaves a half-made object behind that complains on stderr.
    try:
        library = ctypes.CDLL(EDGETPU_LIBRARY)
        _ = library.tflite_plugin_create_delegate
    except OSError as error:
        raise RuntimeUnavailable(
            f"the Edge TPU's library cannot be loaded: {error}",
            'install libedgetpu1-std and libusb-1.0-0, or set `delegate = "cpu"` in [inference]',
        ) from error
    except AttributeError as error:
        raise RuntimeUnavailable(
            f"{EDGETPU_LIBRARY} is not the Edge TPU's library: {error}",
            'install libedgetpu1-std, or set `delegate = "cpu"` in [inference]',
        ) from error
    runtime = _tflite()
    try:
        delegate = runtime.load_delegate(EDGETPU_LIBRARY)
    except ValueError as error:
        raise _no_device(error) from error
    return runtime.Interpreter(
        model_content=model, num_threads=threads, experimental_delegates=[delegate]
    )


def _no_device(error: Exception) -> RuntimeUnavailable:
    return RuntimeUnavailable(
        f"no Edge TPU answers, or another process holds it: {_one_line(error)}", _USE_CPU
    )


def _tflite() -> ModuleType:
    for name in ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"):
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            continue
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise RuntimeUnavailable(
                f"{name} is installed but cannot be loaded: {error}", _INSTALL_RUNTIME
            ) from error
    raise RuntimeUnavailable("no TensorFlow Lite runtime is installed", _INSTALL_RUNTIME)


def _google_pycoral() -> ModuleType | None:
    spec = importlib.util.find_spec("pycoral")
    places = (spec.submodule_search_locations if spec else None) or ()
    if not any(Path(place, "utils", "edgetpu.py").is_file() for place in places):
        return None
    try:
        return importlib.import_module("pycoral.utils.edgetpu")
    except ImportError:  # its own libraries are missing; the plain delegate may still work
        return None


def _picture_input(interpreter: Any) -> dict[str, Any]:
    inputs: list[dict[str, Any]] = interpreter.get_input_details()
    shapes = [tuple(int(size) for size in tensor["shape"]) for tensor in inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][0] != 1 or shapes[0][3] != 3:
        raise ModelError(
            f"the model takes {shapes}, not one picture [1, height, width, 3]",
            "use a detector that takes one RGB picture",
        )
    return inputs[0]


def _input_lookup(tensor: dict[str, Any]) -> NDArray[Any] | None:
    """What each pixel value 0..255 becomes; None where it is fed as it is.

    uint8 networks take pixels by agreement. All others here were trained on values in [-1, 1]
    (TensorFlow's SSDs; MediaPipe's face and pose detectors: `output_tensor_float_range` in their
    graphs), which an int8 input holds by its scale and zero point.
    """
    import numpy as np

    if tensor["dtype"] == np.uint8:
        return None
    real = np.arange(256, dtype=np.float32) / np.float32(127.5) - 1
    if tensor["dtype"] == np.float32:
        return real
    scale, zero_point = tensor["quantization"]
    if tensor["dtype"] != np.int8 or not scale:
        raise ModelError(
            f"the model takes {tensor['dtype'].__name__} pixels",
            "use a model with uint8, int8 or float32 input",
        )
    quantised: NDArray[np.int8] = np.clip(np.round(real / scale + zero_point), -128, 127).astype(
        np.int8
    )
    return quantised


def _dequantised(values: NDArray[Any], tensor: dict[str, Any]) -> Array:
    import numpy as np

    scale, zero_point = tensor["quantization"]
    real: Array = values.astype(np.float32, copy=False)
    if values.dtype.kind != "f" and scale:
        real = (real - zero_point) * np.float32(scale)
    return real


def _signature_names(interpreter: Any) -> dict[int, str]:
    """Tensor index -> the output's name in the file's only signature, if it has one."""
    runner_of = getattr(interpreter, "get_signature_runner", None)
    if runner_of is None or len(interpreter.get_signature_list() or {}) != 1:
        return {}
    return {int(tensor["index"]): name for name, tensor in runner_of().get_output_details().items()}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or "no reason given"
