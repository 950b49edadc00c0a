from __future__ import annotations

import pytest

from annotator.notices import NoticeBook
from db.engine import Database
from db.notices import SqlNoticeBook
from tests.contracts.notices import TARGETS, WAITS_S, NoticeBookContract, notice


class TestSqlNoticeBook(NoticeBookContract):
    @pytest.fixture
    def book(self, database: Database) -> NoticeBook:
        return SqlNoticeBook(database, TARGETS.__getitem__, lambda rule: WAITS_S.get(rule, 0.0))

    def test_what_is_next_is_looked_up(self, database: Database, book: NoticeBook) -> None:
        book.file([notice(event=str(number)) for number in range(50)], 1)
        with database.reading() as connection:
            plan = connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN SELECT * FROM notice JOIN delivery ON notice_id = id"
                " WHERE target = 'mqtt' AND state = 0 AND state <> 1 ORDER BY due_at, notice_id"
            ).all()
        steps = [row[3] for row in plan]
        assert any("USING INDEX delivery_open (target=? AND state=?)" in step for step in steps)
        assert not any("TEMP B-TREE" in step for step in steps)
