"""The seed's loop as it was meant, for `benchmarks.inference`: a line of JSON a round, in ms.

    python benchmarks/seeds_way.py MODEL PICTURE ...    and a line on stdin for each round

Decode in full, set into a black square, area filter, invoke. A program of its own that imports
nothing else, because its speed depends on the allocator: glibc maps the 11 MB of a square anew
each time, and the kernel clears them, unless something larger was freed before. OpenCV decodes and
resizes; where it is not installed, Pillow does.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

try:
    import cv2
except ImportError:
    cv2 = None

LEAST_SCORE = 0.5
Lap = Callable[[str], None]


def main(model: str, paths: list[str]) -> None:
    interpreter = Interpreter(model, num_threads=1)
    interpreter.allocate_tensors()
    fitted = with_opencv if cv2 else with_pillow
    if cv2:
        cv2.setNumThreads(1)
    for _ in sys.stdin:
        print(json.dumps(one_round(interpreter, fitted, paths)), flush=True)


def one_round(interpreter: Any, fitted: Callable[..., Any], paths: list[str]) -> dict[str, float]:
    wanted = interpreter.get_input_details()[0]
    outputs = [output["index"] for output in interpreter.get_output_details()]
    _, height, width, _ = (int(side) for side in wanted["shape"])
    spent_s: dict[str, float] = {}
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    since_s = 0.0

    def lap(stage: str) -> None:
        nonlocal since_s
        now_s = time.perf_counter()
        spent_s[stage] = spent_s.get(stage, 0.0) + now_s - since_s
        since_s = time.perf_counter()

    for path in paths:
        since_s = time.perf_counter()
        small, side = fitted(path, width, height, lap)
        interpreter.set_tensor(wanted["index"], small[None])
        lap("feed")
        interpreter.invoke()
        lap("invoke")
        boxes, _, scores, _ = (interpreter.get_tensor(index)[0] for index in outputs)
        for box, score in zip(boxes, scores, strict=True):
            if score >= LEAST_SCORE:
                (box * side).astype(int)
        lap("boxes")
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    taken = {stage: seconds / len(paths) * 1000 for stage, seconds in spent_s.items()}
    return taken | {"faults": faults / len(paths)}


def with_opencv(path: str, width: int, height: int, lap: Lap) -> tuple[Any, int]:
    whole = cv2.imread(path)
    lap("decode")
    side = max(whole.shape)
    square = np.zeros((side, side, 3), np.uint8)
    square[: whole.shape[0], : whole.shape[1]] = whole
    lap("pad")
    small = cv2.resize(square, (width, height), interpolation=cv2.INTER_AREA)
    lap("resize")
    return small, side


def with_pillow(path: str, width: int, height: int, lap: Lap) -> tuple[Any, int]:
    from PIL import Image

    with Image.open(path) as file:
        whole = file.convert("RGB")
    lap("decode")
    side = max(whole.size)
    square = Image.new("RGB", (side, side))
    square.paste(whole)
    lap("pad")
    small = np.asarray(square.resize((width, height), Image.Resampling.BOX))
    lap("resize")
    return small, side


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
