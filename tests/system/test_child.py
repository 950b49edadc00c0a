"""A child process, as its parent sees it."""

from __future__ import annotations

import pytest

from annotator.child import Child, ChildLost, Graveyard

MORE_THAN_A_PIPE_HOLDS = bytes(4 * 2**20)


def test_one_that_dies_before_it_is_greeted_is_lost_like_any_other() -> None:
    child = Child(["sh", "-c", "exit 3"], MORE_THAN_A_PIPE_HOLDS, bytes, Graveyard())
    try:
        assert child.connection.poll(60)
        with pytest.raises(ChildLost, match="exited with status 3"):
            child.messages()
    finally:
        child.kill()
