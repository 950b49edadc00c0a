"""`relabel` and `tag`: names for faces that are in the database already; no picture is read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from annotator.app.opening import face_book
from annotator.app.targets import Place, faces_at, faces_meant, names_a_place, place_meant
from annotator.clock import SystemClock
from annotator.config import Config
from annotator.domain import FaceQuestion, Relabelling, Renaming, StoredFace, Tag
from annotator.names import person_name

if TYPE_CHECKING:
    from annotator.inference.identify import Recogniser

IDENTIFIED_AT_ONCE = 5000
"""Faces of which all is in memory at once: some 10 MB."""


def relabel(config: Config, question: FaceQuestion, *, dry_run: bool) -> Relabelling:
    """Identify stored faces anew with the bundle that is in use now. Raises AnnotatorError."""
    with face_book(config) as (book, queries):
        recogniser = _recogniser(config, queries.embedders())
        found = renamings(queries.stored_faces(question), recogniser)
        return book.relabel(found, recogniser.provenance, dry_run=dry_run)


def undo_relabelling(config: Config) -> Relabelling:
    """Take back the last relabelling. Raises QueryError where there is none."""
    with face_book(config) as (book, _):
        return book.undo_relabelling()


def renamings(stored: Iterable[StoredFace], recogniser: Recogniser) -> Iterator[Renaming]:
    """What a recogniser says of each face, beside what is said of it now."""
    rest = iter(stored)
    while faces := list(islice(rest, IDENTIFIED_AT_ONCE)):
        answers = recogniser.identify([one.evidence for one in faces])
        for one, answer in zip(faces, answers, strict=True):
            yield Renaming(one.id, one.identification, answer)


def _recogniser(config: Config, embedders: Sequence[str]) -> Recogniser:
    """The bundle in use; where all stored faces are of one embedder, only one that is for it."""
    from annotator.inference.bundle import load_recogniser

    return load_recogniser(config.recogniser_path, embedders[0] if len(embedders) == 1 else None)


@dataclass(frozen=True, slots=True)
class Tagged:
    """How many faces a person spoke about, and how many now say something else, with those that
    were seen better there. `near` is a known name that looks like a new one's misspelling."""

    name: str
    faces: int
    changed: int
    near: str | None = None


def tag(
    config: Config, targets: Sequence[str], name: str, *, negated: bool, everybody: bool
) -> Tagged:
    """Say who the faces of the targets are, or with `negated` who they are not.

    Raises QueryError where a target is nothing known, or more than one person and not `everybody`
    is meant.
    """
    name = person_name(name)
    with face_book(config) as (book, queries):
        known = {one.casefold(): one for one in queries.names()}
        ids: list[int] = []
        for target in targets:
            denied = name if negated else None
            ids += faces_meant(queries, config.store.root, target, denied, everybody=everybody)
        ids = list(dict.fromkeys(ids))
        changed = book.tag(ids, Tag(name, SystemClock().now(), negated))
    near = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.75)
    is_new = name not in known.values()
    return Tagged(name, len(ids), changed, known[near[0]] if near and is_new else None)


@dataclass(frozen=True, slots=True)
class Untagged:
    """Of how many faces something was said, and how many words were about faces that are not there
    any more."""

    faces: int
    homeless: int


def untag(config: Config, targets: Sequence[str]) -> Untagged:
    """Forget what was said of the faces of the targets, and of those that once were there.

    Raises QueryError where a target is nothing known.
    """
    root = config.store.root
    with face_book(config) as (book, queries):
        ids: list[int] = []
        places: list[Place] = []
        for target in targets:
            place = place_meant(queries, root, target) if names_a_place(target) else None
            if place is not None and book.homeless(place.event, place.file_name):
                places.append(place)
                ids += [face.id for face in faces_at(queries, root, target)]
            else:
                ids += faces_meant(queries, root, target, None, everybody=True)
        faces = book.untag(ids)
        return Untagged(
            faces, sum(book.forget_homeless(one.event, one.file_name) for one in places)
        )
