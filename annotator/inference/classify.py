"""The two classifiers that a bundle may hold, as they run: neither needs scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.identify import Floats

LOG_ODDS_SURE = 3.0
"""XGBoost's log odds that count as quite sure: a probability of 0.95."""


@dataclass(frozen=True, slots=True)
class SupportVectors:
    """Support vector machines, one person against the rest, with the kernel
    exp(-gamma * distance^2), or for `gamma` 0 the linear one.

    Written out: `vectors` is faces x 128, `weights` people x faces, `biases` people.
    """

    vectors: Floats
    weights: Floats
    biases: Floats
    gamma: float

    def decisions(self, embeddings: Floats) -> Floats:
        """Faces x people; above 0 on the person's side, beyond 1 outside the margin."""
        import numpy as np

        products = embeddings @ self.vectors.T
        if self.gamma:
            squares = (
                np.square(embeddings).sum(axis=1)[:, None]
                + np.square(self.vectors).sum(axis=1)
                - 2 * products
            )
            products = np.exp(-self.gamma * np.maximum(squares, 0))
        decisions: Floats = products @ self.weights.T + self.biases
        return decisions

    def evidence(self, embeddings: Floats) -> Floats:
        import numpy as np

        return np.clip(self.decisions(embeddings), -1, 1)


@dataclass(frozen=True, slots=True)
class Trees:
    """XGBoost's own model of `people` classes, after which others (the unknown) may follow."""

    booster: Any
    people: int

    @classmethod
    def load(cls, content: bytes, people: int) -> Trees:
        """Raises ValueError where it is not one, RuntimeUnavailable without XGBoost."""
        xgboost = _xgboost()
        booster = xgboost.Booster({"nthread": 1})
        try:
            booster.load_model(bytearray(content))
            features = booster.num_features()
        except xgboost.core.XGBoostError as error:
            raise ValueError(str(error).splitlines()[0]) from error
        if features != 128:
            raise ValueError(f"trained with {features} features, not 128")
        return cls(booster, people)

    def evidence(self, embeddings: Floats) -> Floats:
        import numpy as np

        shares = self.booster.inplace_predict(embeddings.astype(np.float32))
        return evidence_of(np.asarray(shares, np.float64)[:, : self.people])


def evidence_of(probabilities: NDArray[np.float64]) -> Floats:
    """Log odds, cut where they are quite sure."""
    import numpy as np

    kept = np.clip(probabilities, 1e-6, 1 - 1e-6)
    return np.clip(np.log(kept / (1 - kept)) / LOG_ODDS_SURE, -1, 1)


def _xgboost() -> Any:
    from annotator.errors import RuntimeUnavailable

    try:
        import xgboost
    except ImportError as error:
        raise RuntimeUnavailable(
            f"XGBoost cannot be loaded: {error}",
            "install it with: pip install xgboost-cpu; or train again with --classifier svm",
        ) from error
    return xgboost
