"""Who is named right, and which strangers are given a name: the tables of docs/faces.md.

    python -m benchmarks.faces --faces ../shared/data/faces --models ../shared/models \
        --frames ../shared/data/frames/intel_office_asl --cache ~/.cache/annotator-faces.npz

Faces are found, judged and embedded as the daemon does it; a cache makes the second run quick.
Every draw takes people, their training pictures, and strangers for the Unknown folder at random;
all other pictures are asked about. Gated faces (too small, blurred, turned away) are never asked
about, since they get no name; the column "gated" counts them.

The people and strangers were halved before anything was tuned; only the development half was tuned
on. `--measure` prints what of it is written into `trainer.clouds` and `trainer.fit`.
"""

from __future__ import annotations

import argparse
import io
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from annotator.config import Config, ModelSettings
from annotator.domain import Face, FaceEvidence, Gate
from annotator.inference.identify import NoGallery, embeddings_of
from annotator.inference.vision import build_vision
from trainer.clouds import people_of
from trainer.fit import FALSE_ACCEPT_RATE, train
from trainer.gallery import Look, pictures_of, whole_picture
from trainer.remembered import Memory
from trainer.samples import Sample

DEVELOPMENT = frozenset(
    [
        "Andre_Agassi",
        "Colin_Powell",
        "Hugo_Chavez",
        "Junichiro_Koizumi",
        "Lleyton_Hewitt",
        "Tony_Blair",
        "elton_john",
        "jerry_seinfeld",
        "lionel_messi",
        "maria_sharapova",
        "mindy_kaling",
        "office_A",
    ]
)
"""The people of the development half, drawn with seed 7 from those with more than 10 pictures."""
NEVER_USABLE = ("Gustavo_Noboa", "Sheikh_Ahmed_Yassin", "Steve_Pagliuca", "Yoon_Jeong_Cho")
CHANGES = ("as they are", "80 px", "60 px", "40 px", "blur 2 %", "blur 3 %")
"""What is done to the pictures that are asked about: faces shrunk to so many pixels, or blurred
with a sigma of so much of the face; then saved at JPEG quality 85."""
UNKNOWN = 20
COLUMNS = "known right | wrong | strangers named | known | strangers | gated"
RULE = "|".join(6 * ["---"])
SEEDS_LIMIT = 0.7
SHARES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 5e-1)


@dataclass
class Album:
    """By person and picture, and by what was done to it, the face; None for one that is gated."""

    faces: dict[str, dict[Path, dict[str, FaceEvidence | None]]] = field(default_factory=dict)

    def usable(self, person: str) -> list[Path]:
        return [path for path, by in self.faces[person].items() if by.get(CHANGES[0])]

    def people(self, at_least: int) -> list[str]:
        return sorted(name for name in self.faces if len(self.usable(name)) >= at_least)


@dataclass
class Counts:
    right: int = 0
    wrong: int = 0
    known: int = 0
    named: int = 0
    strangers: int = 0
    gated: int = 0

    def cells(self) -> list[str]:
        return [
            *(f"{n / self.known:.4f}" if self.known else "-" for n in (self.right, self.wrong)),
            f"{self.named / self.strangers:.4f}" if self.strangers else "-",
            *(str(n) for n in (self.known, self.strangers, self.gated)),
        ]


Identify = Callable[[Sequence[FaceEvidence]], Sequence[str | None]]
Way = Callable[[Sequence[Sample]], Identify]


def main() -> None:
    warnings.simplefilter("ignore")
    asked = _arguments()
    gallery, strangers, frames = _albums(asked)
    ways: dict[str, Way] = {"annotator": _ours}
    others = (
        {}
        if asked.only_ours
        else {
            "seed: SVM, probability >= 0.7": _seeds_svm,
            "seed: XGBoost, probability >= 0.7": _seeds_xgboost,
            "mean picture < 0.50": _mean_below(0.50),
            "nearest picture < 0.60": _nearest_below(0.60),
        }
    )
    half = _halves(strangers)
    if asked.measure:
        _measure(gallery, strangers, half[0], np.random.default_rng(asked.seed))
        return
    everybody, all_strangers = set(gallery.faces), set(strangers.faces)
    held_out = everybody - DEVELOPMENT
    protocols = [
        ("everybody, 20 x 10", everybody, all_strangers, 20, 10),
        ("everybody, 4 x 8", everybody, all_strangers, 4, 8),
        ("development half, 8 x 10", set(DEVELOPMENT), half[0], 8, 10),
        ("held-out half, 8 x 10", held_out, half[1], 8, 10),
        ("held-out half, 4 x 8", held_out, half[1], 4, 8),
    ]
    print(f"| people x pictures | way | {COLUMNS} |\n|---|---|{RULE}|")
    for title, people, outside, count, pictures in protocols:
        draws = asked.draws * (3 if count < 10 else 1)
        for name, way in (ways | others).items():
            counts = Counts()
            began_s = perf_counter()
            for draw in _draws(
                gallery, strangers, people, outside, count, pictures, draws, asked.seed
            ):
                identify = way(draw.samples)
                _ask(draw, identify, gallery, strangers, CHANGES[0], counts)
            took = (perf_counter() - began_s) / draws
            print(
                f"| {title} | {name} | {' | '.join(counts.cells())} | <!-- {took:.1f} s a draw -->",
                flush=True,
            )
    print(f"\n| everybody, 20 x 10; asked about | {COLUMNS} |\n|---|{RULE}|")
    by_change = {change: Counts() for change in CHANGES[: 1 if asked.no_changes else None]}
    for draw in _draws(
        gallery, strangers, everybody, all_strangers, 20, 10, asked.draws, asked.seed
    ):
        identify = _ours(draw.samples)
        for change, counts in by_change.items():
            _ask(draw, identify, gallery, strangers, change, counts)
    for change, counts in by_change.items():
        print(f"| {change} | {' | '.join(counts.cells())} |", flush=True)
    if frames.faces:
        counts = Counts()
        for draw in _draws(
            gallery,
            strangers,
            everybody,
            all_strangers,
            20,
            8,
            asked.draws,
            asked.seed,
            tuple(frames.faces),
        ):
            identify = _ours(draw.samples)
            for person in frames.faces:
                faces = [by[CHANGES[0]] for by in frames.faces[person].values()]
                counts.gated += faces.count(None)
                answers = identify([face for face in faces if face])
                counts.known += len(answers)
                counts.right += sum(answer == person for answer in answers)
                counts.wrong += sum(answer not in (None, person) for answer in answers)
        print(f"| an office camera, 20 x 8 | {' | '.join(counts.cells())} |")


def _measure(gallery: Album, strangers: Album, names: Iterable[str], random: Generator) -> None:
    """What `trainer.clouds` and `trainer.judging` know of strangers and own faces beforehand."""

    def embeddings(album: Album, people: Iterable[str]) -> tuple[np.ndarray, list[str]]:
        paths = [(one, path) for one in people for path in album.usable(one)]
        faces = [_sample(one, path, album).evidence for one, path in paths]
        return embeddings_of(faces), [one for one, _ in paths]

    known, owner = embeddings(gallery, sorted(DEVELOPMENT))
    outside, outsiders = embeddings(strangers, sorted(names))
    everybody = np.concatenate([known, outside])
    whose = np.array([*owner, *outsiders])
    print("| pictures | strangers' distance | own score, by share | stranger's score, by share |")
    print("|---|---|---|---|")
    for pictures in (1, 3, 5, 8, 10, 15, 20):
        apart, own, pairs = [], [], []
        for person in sorted(DEVELOPMENT) * 3:
            mine = random.permutation(np.flatnonzero(whose == person))
            if len(mine) < pictures:
                continue
            learned = known[mine[:pictures]]
            people = people_of(learned, np.zeros(pictures, np.int32), 1)
            away = people.distances(everybody)[:, 0]
            apart.append(away[whose != person])
            own.append(away[mine[pictures:]])
            pairs.append((person, whose[whose != person], away[whose != person]))
        mean = np.concatenate(apart).mean()
        scores = mean - np.quantile(np.concatenate(own), [1, 0.98, 0.9, 0.5, 0.1, 0])
        tail = mean - np.quantile(np.concatenate(apart), SHARES)
        print(f"| {pictures} | {mean:.3f} | {_listed(scores)} | {_listed(tail)} |")
        if pictures == 10:
            _bootstrap(pairs, mean, random)


def _bootstrap(
    pairs: Sequence[tuple[str, np.ndarray, np.ndarray]], mean: float, random: Generator
) -> None:
    """How much nearer strangers come where people and strangers are drawn anew from the same."""
    people = sorted({person for person, _, _ in pairs})
    strangers = sorted({name for _, names, _ in pairs for name in names})
    distances = np.concatenate([apart for _, _, apart in pairs])
    order = np.argsort(distances)
    tails = []
    for _ in range(400):
        drawn = Counter(random.choice(people, len(people)).tolist())
        others = Counter(random.choice(strangers, len(strangers)).tolist())
        weights = np.concatenate(
            [[drawn[person] * others[name] for name in names] for person, names, _ in pairs]
        )[order]
        reached = np.searchsorted(np.cumsum(weights) / weights.sum(), SHARES)
        tails.append(mean - distances[order][reached])
    print(f"| 10, 95 % of the draws | | | {_listed(np.quantile(tails, 0.95, axis=0))} |")


def _listed(values: Iterable[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


@dataclass
class Draw:
    samples: list[Sample]
    known: list[tuple[str, Path]]
    strangers: list[tuple[str, Path]]


def _draws(
    gallery: Album,
    outside: Album,
    people: Iterable[str],
    strangers: Iterable[str],
    count: int,
    pictures: int,
    draws: int,
    seed: int,
    always: tuple[str, ...] = (),
) -> Iterable[Draw]:
    random = np.random.default_rng(seed)
    able = [name for name in gallery.people(pictures + 1) if name in people and name not in always]
    others = sorted(set(strangers) & set(outside.people(1)))
    for _ in range(draws):
        chosen = [*always, *random.choice(able, min(count, len(able)) - len(always), replace=False)]
        samples, known = [], []
        for person in sorted(chosen):
            paths = [
                gallery.usable(person)[n] for n in random.permutation(len(gallery.usable(person)))
            ]
            samples += [_sample(person, path, gallery) for path in paths[:pictures]]
            known += [
                (person, path) for path in gallery.faces[person] if path not in paths[:pictures]
            ]
        order = [others[n] for n in random.permutation(len(others))]
        samples += [
            Sample(None, _sample(name, outside.usable(name)[0], outside).evidence, name, name)
            for name in order[:UNKNOWN]
        ]
        asked = [(name, path) for name in order[UNKNOWN:] for path in outside.faces[name]]
        yield Draw(samples, known, asked)


def _sample(person: str, path: Path, album: Album) -> Sample:
    evidence = album.faces[person][path][CHANGES[0]]
    assert evidence is not None
    return Sample(person, evidence, str(path), str(path))


def _ask(
    draw: Draw, identify: Identify, gallery: Album, outside: Album, change: str, counts: Counts
) -> None:
    for album, questions, strangers in (
        (gallery, draw.known, False),
        (outside, draw.strangers, True),
    ):
        there = [
            (person, album.faces[person][path][change])
            for person, path in questions
            if change in album.faces[person][path]
        ]
        faces = [(person, face) for person, face in there if face is not None]
        counts.gated += len(there) - len(faces)
        answers = identify([face for _, face in faces])
        if strangers:
            counts.strangers += len(answers)
            counts.named += sum(answer is not None for answer in answers)
            continue
        counts.known += len(answers)
        for (person, _), answer in zip(faces, answers, strict=True):
            counts.right += answer == person
            counts.wrong += answer not in (None, person)


def _ours(samples: Sequence[Sample]) -> Identify:
    trained = train(samples, embedder="benchmark", false_accept_rate=FALSE_ACCEPT_RATE)
    recogniser = trained.bundle.recogniser()
    return lambda faces: [one.name for one in recogniser.identify(faces)]


def _seeds_svm(samples: Sequence[Sample]) -> Identify:
    """As the seed's train.py: the best SVC of a grid, with probabilities, and an Unknown class."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC

    grid = {"C": [1e-2, 1e-1, 1, 1e1, 1e2], "kernel": ["linear", "rbf"], "gamma": ["scale", 1.0]}
    model = GridSearchCV(SVC(probability=True, class_weight="balanced", random_state=1), grid, cv=3)
    return _seeds(model.fit(*_labelled(samples)))


def _seeds_xgboost(samples: Sequence[Sample]) -> Identify:
    from xgboost import XGBClassifier

    embeddings, labels = _labelled(samples)
    names = sorted(set(labels))
    model = XGBClassifier(n_estimators=100, max_depth=3, n_jobs=1, verbosity=0)
    model.fit(embeddings, [names.index(label) for label in labels])
    model.names = names
    return _seeds(model)


def _seeds(model: object) -> Identify:
    names = getattr(model, "names", None) or list(model.classes_)

    def identify(faces: Sequence[FaceEvidence]) -> list[str | None]:
        if not faces:
            return []
        shares = model.predict_proba(embeddings_of(faces))
        best = [(names[n], row[n]) for row, n in zip(shares, shares.argmax(axis=1), strict=True)]
        return [name if name != "Unknown" and p >= SEEDS_LIMIT else None for name, p in best]

    return identify


def _labelled(samples: Sequence[Sample]) -> tuple[np.ndarray, list[str]]:
    return embeddings_of([one.evidence for one in samples]), [
        one.person or "Unknown" for one in samples
    ]


def _mean_below(limit: float) -> Way:
    def way(samples: Sequence[Sample]) -> Identify:
        embeddings, labels = _labelled(samples)
        names = sorted(set(labels) - {"Unknown"})
        owner = np.array(labels)
        middles = np.array([embeddings[owner == name].mean(axis=0) for name in names])
        return _nearer(middles, names, limit)

    return way


def _nearest_below(limit: float) -> Way:
    def way(samples: Sequence[Sample]) -> Identify:
        embeddings, labels = _labelled(samples)
        named = [n for n, label in enumerate(labels) if label != "Unknown"]
        return _nearer(embeddings[named], [labels[n] for n in named], limit)

    return way


def _nearer(points: np.ndarray, names: Sequence[str], limit: float) -> Identify:
    def identify(faces: Sequence[FaceEvidence]) -> list[str | None]:
        apart = [np.linalg.norm(points - face, axis=1) for face in embeddings_of(faces)]
        return [names[int(one.argmin())] if one.min() < limit else None for one in apart]

    return identify


def _halves(strangers: Album) -> tuple[set[str], set[str]]:
    """Drawn with seed 7 after the people, from those in whose pictures a face was usable then."""
    random = np.random.default_rng(7)
    random.permutation(21)
    names = [name for name in sorted(strangers.faces) if name not in NEVER_USABLE]
    order = [names[n] for n in random.permutation(len(names))]
    return set(order[:66]), set(order[66:])


def _albums(asked: argparse.Namespace) -> tuple[Album, Album, Album]:
    config = Config(models=ModelSettings(directory=asked.models))
    config = config.model_copy(
        update={"faces": config.faces.model_copy(update={"mirrored": not asked.alone})}
    )
    settings = config.faces
    vision = build_vision(config, recogniser=NoGallery())
    models = vision.face_models(settings)
    memory = Memory.load(asked.cache)
    look = whole_picture(vision, settings)
    plain = memory.around(look, models, settings)

    def album(pictures: Iterable[tuple[str, Path]], changes: Sequence[str]) -> Album:
        found = Album()
        for number, (person, path) in enumerate(pictures):
            jpeg = path.read_bytes()
            faces = plain(jpeg)
            largest = max(faces, key=lambda face: face.box.area, default=None)
            by = {CHANGES[0]: _evidence(largest)} if largest else {}
            for change in changes if largest else ():
                looks = memory.around(_changed(look, change, largest), models, settings, change)
                if (side := _side(largest)) > _wanted_px(change, side - 1):
                    after = looks(jpeg)
                    by[change] = _evidence(max(after, key=lambda face: face.box.area, default=None))
            found.faces.setdefault(person, {})[path] = by
            if number % 100 == 99:
                memory.save()
                print(f"<!-- {number + 1} pictures -->", flush=True)
        memory.save()
        return found

    changes = () if asked.no_changes else CHANGES[1:]
    return (
        album(pictures_of(asked.faces / "gallery"), changes),
        album(pictures_of(asked.faces / "strangers"), changes),
        album(_labelled_frames(asked.frames), ()) if asked.frames else Album(),
    )


def _labelled_frames(folder: Path) -> list[tuple[str, Path]]:
    labels = json.loads((folder / "labels.json").read_text())
    return [(one["person_in_frame"], folder / one["file"]) for one in labels["frames"]]


def _evidence(face: Face | None) -> FaceEvidence | None:
    if face is None or face.gate is not Gate.USABLE or face.embedding is None:
        return None
    return FaceEvidence(face.embedding, _side(face), face.sharpness, face.mirrored)


def _side(face: Face) -> int:
    return min(face.box.width, face.box.height)


def _wanted_px(change: str, otherwise: int) -> int:
    return int(change.split()[0]) if change.endswith("px") else otherwise


def _changed(look: Look, change: str, face: Face) -> Look:
    def changed(jpeg: bytes) -> tuple[Face, ...]:
        picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
        if change.startswith("blur"):
            share = float(change.split()[1]) / 100
            picture = picture.filter(ImageFilter.GaussianBlur(share * _side(face)))
        else:
            factor = _wanted_px(change, 0) / _side(face)
            size = [max(1, round(length * factor)) for length in picture.size]
            picture = picture.resize(size, Image.Resampling.BOX)
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=85)
        return look(out.getvalue())

    return changed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--faces", type=Path, required=True, help="with gallery/ and strangers/")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--frames", type=Path, help="camera frames with labels.json")
    parser.add_argument("--cache", type=Path, default=Path("faces-cache.npz"))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measure", action="store_true", help="only what the code knows of it")
    parser.add_argument("--alone", action="store_true", help="embed without the mirror image")
    parser.add_argument("--only-ours", action="store_true", help="no other ways beside it")
    parser.add_argument("--no-changes", action="store_true", help="only pictures as they are")
    return parser.parse_args()


if __name__ == "__main__":
    main()
