"""The book in memory keeps the contract, so what is tested with it holds for the database's."""

from __future__ import annotations

import pytest

from annotator.notices import NoticeBook
from tests.contracts.notices import TARGETS, WAITS_S, NoticeBookContract
from tests.fakes.memory_notices import MemoryNoticeBook


class TestMemoryNoticeBook(NoticeBookContract):
    @pytest.fixture
    def book(self) -> NoticeBook:
        return MemoryNoticeBook(TARGETS.__getitem__, lambda rule: WAITS_S.get(rule, 0.0))
