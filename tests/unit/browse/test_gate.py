"""The token: who comes in, and what becomes of who does not."""

from __future__ import annotations

from annotator.browse.gate import (
    MOST_WRONG,
    WRONG_WINDOW_S,
    Entered,
    Gate,
    Passed,
    Refused,
    Visit,
    is_good_token,
    new_token,
)
from tests.fakes.clock import ManualClock

TOKEN = "correct-horse-battery"


def gate(clock: ManualClock | None = None) -> Gate:
    return Gate(TOKEN, 8001, (clock or ManualClock()).monotonic)


def entered(made: Gate, visit: Visit) -> Entered:
    verdict = made.judge(visit)
    assert isinstance(verdict, Entered)
    return verdict


def test_without_a_token_nobody_comes_in() -> None:
    verdict = gate().judge(Visit("10.0.0.1", "/"))
    assert isinstance(verdict, Refused)
    assert verdict.status == 401


def test_the_token_in_the_address_becomes_a_cookie_and_goes_away() -> None:
    made = gate()
    verdict = entered(made, Visit("10.0.0.1", "/annotator/faces", f"name=anna&token={TOKEN}&x=1"))
    assert verdict.location == "/annotator/faces?name=anna&x=1"
    assert TOKEN not in verdict.cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(verdict.cookie.split("; "))
    assert "Secure" not in verdict.cookie
    cookie = verdict.cookie.partition(";")[0]
    assert made.judge(Visit("10.0.0.1", "/", cookie=f"other={{}}; {cookie}")) == Passed()


def test_a_cookie_stays_with_https_and_with_its_token() -> None:
    verdict = entered(gate(), Visit("10.0.0.1", "/", f"token={TOKEN}", is_https=True))
    assert "Secure" in verdict.cookie
    cookie = verdict.cookie.partition(";")[0]
    other = Gate("another-token-of-mine", 8001, ManualClock().monotonic)
    assert isinstance(other.judge(Visit("10.0.0.1", "/", cookie=cookie)), Refused)


def test_it_never_leads_to_another_host() -> None:
    verdict = entered(gate(), Visit("10.0.0.1", "//evil.example/x", f"token={TOKEN}"))
    assert verdict.location == "/evil.example/x"


def test_programs_show_it_in_a_header() -> None:
    made = gate()
    assert made.judge(Visit("::1", "/", authorization=f"Bearer {TOKEN}")) == Passed()
    assert isinstance(made.judge(Visit("::1", "/", authorization=f"Basic {TOKEN}")), Refused)
    wrong = made.judge(Visit("::1", "/", authorization="Bearer no"))
    assert isinstance(wrong, Refused)
    assert wrong.status == 403


def test_who_guesses_has_to_wait_and_others_do_not() -> None:
    clock = ManualClock()
    made = gate(clock)
    guess = Visit("10.0.0.1", "/", "token=guess")
    right = Visit("10.0.0.1", "/", f"token={TOKEN}")
    cookie = entered(made, right).cookie.partition(";")[0]
    for _ in range(MOST_WRONG):
        assert made.judge(guess) == Refused(403, "This is not the token.")
    waits = made.judge(right)
    assert isinstance(waits, Refused)
    assert (waits.status, waits.retry_after_s) == (429, WRONG_WINDOW_S + 1)
    assert isinstance(made.judge(Visit("10.0.0.2", "/", f"token={TOKEN}")), Entered)
    assert made.judge(Visit("10.0.0.1", "/", cookie=cookie)) == Passed()
    clock.sleep(WRONG_WINDOW_S)
    assert isinstance(made.judge(right), Entered)


def test_a_token_has_to_be_long_and_to_fit_into_a_header() -> None:
    assert is_good_token(new_token())
    assert is_good_token("0123456789abcdef")
    for bad in ("", "short", "0123456789abcde", "with blank 0123456789", "ä" * 20, "a\n" * 20):
        assert not is_good_token(bad)
    assert new_token() != new_token()
