"""Taking away what is kept no longer, in many small transactions.

None of them writes more than a few hundred rows, so that the daemon never waits long; whoever calls
may stop after any, or be killed within one, and begin anew. What was taken away is not forgotten
altogether: a capture whose last detection goes stays known, as one in which something was seen (see
`db.folded`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from db.engine import Database
from db.fold import fold, try_folding
from db.gone import count_forgettable, forget
from db.old_detections import count_old, drop_old, forget_stays
from db.old_embeddings import count_old_embeddings, drop_old_embeddings
from db.rules import Rules, Turn, What

if TYPE_CHECKING:
    from annotator.config import RetentionSettings
    from annotator.ports import Clock


class SqlPruning:
    """`settings_of` tells by a monitor's name what is kept."""

    def __init__(
        self, database: Database, clock: Clock, settings_of: Callable[[str], RetentionSettings]
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings_of = settings_of

    def expected(self) -> Iterator[Turn]:
        """As `turns`, but nothing is changed: so much would go now. Of the embeddings some are
        counted that go with their detections."""
        with self._database.reading() as connection:
            rules = Rules(connection, self._clock, self._settings_of)
            detections = count_old(connection, rules)
            embeddings = count_old_embeddings(connection, rules)
            events = count_forgettable(connection, rules)
        yield Turn(What.DETECTIONS, 1, 1, tuple(detections))
        yield Turn(What.EMBEDDINGS, 1, 1, tuple(embeddings))
        yield from try_folding(self._database, rules)
        yield Turn(What.EVENTS, 1, 1, tuple(events))

    def turns(self) -> Iterator[Turn]:
        """Do it; each turn is done once it is yielded."""
        with self._database.reading() as connection:
            rules = Rules(connection, self._clock, self._settings_of)
        yield from drop_old(self._database, rules)
        yield from drop_old_embeddings(self._database, rules)
        yield from fold(self._database, self._clock, rules)
        yield from forget(self._database, rules)
        forget_stays(self._database)
