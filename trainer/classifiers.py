"""The two classifiers in training: what is searched, and how they are brought into the form that
runs (`annotator.inference.classify`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from annotator.errors import ModelError
from annotator.inference.classify import SupportVectors, Trees

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.identify import Classifier, Floats

    Owners = NDArray[np.int32]

SAME = 1e-6
"""So little may NumPy's answer differ from scikit-learn's."""


class Recipe(Protocol):
    """A classifier with its hyperparameters."""

    @property
    def family(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Any]: ...

    def fit(self, embeddings: Floats, owner: Owners, count: int) -> Classifier:
        """Learn to tell `count` people and, as owner -1, the unknown apart."""


@dataclass(frozen=True, slots=True)
class Svm:
    """One SVM per person against all others; `gamma` 0 is the linear kernel."""

    C: float
    gamma: float
    family: str = "svm"

    @property
    def parameters(self) -> Mapping[str, Any]:
        kernel = {"kernel": "rbf", "gamma": self.gamma} if self.gamma else {"kernel": "linear"}
        return {**kernel, "C": self.C}

    def fit(self, embeddings: Floats, owner: Owners, count: int) -> SupportVectors:
        import numpy as np
        from sklearn.svm import SVC

        weights = np.zeros((count, len(embeddings)))
        biases = np.zeros(count)
        models = []
        for person in range(count):
            model = SVC(
                C=self.C,
                kernel="rbf" if self.gamma else "linear",
                gamma=self.gamma or "scale",
                class_weight="balanced",
            ).fit(embeddings, owner == person)
            weights[person, model.support_] = model.dual_coef_[0]
            biases[person] = model.intercept_[0]
            models.append(model)
        used = np.flatnonzero(np.abs(weights).any(axis=0))
        written = SupportVectors(embeddings[used], weights[:, used], biases, self.gamma)
        theirs = np.array([model.decision_function(embeddings) for model in models]).T
        if np.abs(written.decisions(embeddings) - theirs).max() > SAME:
            raise ModelError(
                "the SVM as it is written out differs from scikit-learn's",
                "report this with the version of scikit-learn; `--classifier none` does without",
            )
        return written


@dataclass(frozen=True, slots=True)
class Xgboost:
    """Boosted trees over all people, and the unknown as one more class."""

    depth: int
    rounds: int
    family: str = "xgboost"

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {"max_depth": self.depth, "rounds": self.rounds}

    def fit(self, embeddings: Floats, owner: Owners, count: int) -> Trees:
        import numpy as np
        import xgboost

        labels = np.where(owner < 0, count, owner)
        # A single person needs somebody else; where the unknown are missing XGBoost is not asked.
        classes = count + bool((owner < 0).any())
        settings = {
            "objective": "multi:softprob",
            "num_class": classes,
            "max_depth": self.depth,
            "eta": 0.3,
            "subsample": 0.8,
            "colsample_bytree": 0.3,
            "min_child_weight": 0,
            "max_bin": 32,
            "tree_method": "hist",
            "seed": 1,
            "verbosity": 0,
            # Two threads wait for each other by spinning: 0.2 s become 13 s on a busy computer.
            "nthread": 1,
        }
        data = xgboost.DMatrix(embeddings.astype(np.float32), label=labels)
        return Trees(xgboost.train(settings, data, self.rounds), count)


SEARCHED: Mapping[str, tuple[Recipe, ...]] = {
    "svm": tuple(Svm(C, gamma) for gamma in (0.0, 1.0, 2.0) for C in (1.0, 10.0)),
    "xgboost": (Xgboost(2, 30), Xgboost(2, 60), Xgboost(3, 60)),
}
"""By family, the simplest first."""
