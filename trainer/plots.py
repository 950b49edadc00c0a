"""What training and judging look like, as PNGs.

Matplotlib is of the `trainer` extra; without it the pictures are left out, and the tables say the
same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator.errors import RuntimeUnavailable, StoreError

if TYPE_CHECKING:
    from trainer.evaluate import Evaluation
    from trainer.judging import Verdicts

WRONG, RIGHT = "#c0392b", "#2471a3"
MOST_NUMBERS = 40
"""A matrix of more people is drawn without its numbers, which nobody could read."""


def confusion_matrix(path: Path, verdicts: Verdicts) -> None:
    """Raises RuntimeUnavailable without Matplotlib, StoreError where it cannot be written."""
    import numpy as np

    names = [*verdicts.names, "Unknown"]
    totals = verdicts.matrix.sum(axis=1, keepdims=True)
    shares = verdicts.matrix / np.maximum(totals, 1)
    side = 3 + 0.32 * len(names)
    figure = _figure(side + 1, side)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("named")
    axes.set_ylabel("is")
    axes.set_title("Cross-validated answers (counts; colour: share of the row)")
    if len(names) <= MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(verdicts.matrix):
            if count:
                dark = shares[row, column] > 0.5
                colour = "white" if dark else "black" if row == column else WRONG
                axes.text(column, row, str(count), ha="center", va="center", color=colour, size=8)
    _save(figure, path)


def score_histogram(path: Path, verdicts: Verdicts, threshold: float) -> None:
    """Raises RuntimeUnavailable without Matplotlib, StoreError where it cannot be written."""
    import numpy as np

    figure = _figure(8, 4.5)
    axes = figure.add_subplot()
    scores = np.concatenate([verdicts.own, verdicts.others])
    scores = scores[np.isfinite(scores)]
    bins = np.histogram_bin_edges(scores if len(scores) else [0.0, 1.0], bins=40).tolist()
    for values, colour, label in (
        (verdicts.others, WRONG, f"strangers, nearest person ({len(verdicts.others)})"),
        (verdicts.own, RIGHT, f"known faces, own person ({len(verdicts.own)})"),
    ):
        axes.hist(values[np.isfinite(values)], bins=bins, color=colour, alpha=0.65, label=label)
    axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.3f}")
    axes.set_xlabel("score: how much nearer than strangers are")
    axes.set_ylabel("faces")
    axes.legend()
    _save(figure, path)


def det_curve(path: Path, evaluation: Evaluation) -> None:
    """Strangers named against known faces missed, both on a normal scale, as is usual.

    Raises RuntimeUnavailable without Matplotlib, StoreError where it cannot be written.
    """
    from statistics import NormalDist

    score = evaluation.overall
    # Less than half a face cannot be seen; on this scale 0 and 1 are nowhere.
    least_x, least_y = 0.5 / max(score.strangers, 1), 0.5 / max(score.known, 1)

    def place(share: float, least: float) -> float:
        return NormalDist().inv_cdf(min(max(share, least), 1 - least))

    figure = _figure(6.5, 6)
    axes = figure.add_subplot()
    axes.step(
        [place(point.false_accept, least_x) for point in evaluation.curve],
        [place(point.false_reject, least_y) for point in evaluation.curve],
        where="post",
        color=RIGHT,
    )
    if evaluation.in_use:
        x = place(evaluation.in_use.false_accept, least_x)
        y = place(evaluation.in_use.false_reject, least_y)
        axes.plot(x, y, "o", color=WRONG, label=f"threshold {evaluation.in_use.threshold:.3f}")
        axes.legend()
    ticks = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8)
    for set_ticks, least in ((axes.set_xticks, least_x), (axes.set_yticks, least_y)):
        shown = [tick for tick in ticks if tick >= least]
        set_ticks([place(tick, 0.0001) for tick in shown], [f"{tick:.1%}" for tick in shown])
    axes.grid(alpha=0.3)
    axes.set_xlabel(f"strangers given a name (of {score.strangers})")
    axes.set_ylabel(f"known faces not named right (of {score.known})")
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RuntimeUnavailable(
            f"no pictures are drawn: {error}", "install Matplotlib for them: pip install matplotlib"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=100)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror}", "name another place with --pictures"
        ) from error
