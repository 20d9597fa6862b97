"""The token of the live page, and guesses at it."""

from __future__ import annotations

import pytest

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_page import TOKEN
from live_process import LiveProcess, check_headers

from fkd_infer.live.access.rate_limit import MAX_WRONG_TOKENS, SECONDS_PER_RETRY

BEARER = b"Authorization: Bearer " + TOKEN.encode()


def test_no_answer_contains_the_token(locked: LiveProcess) -> None:
    answer = locked.get(f"/?token={TOKEN}")
    assert answer.status == 200
    check_headers(answer)
    assert TOKEN not in str(answer.headers)
    assert TOKEN.encode() not in answer.body
    cookie = answer.headers["Set-Cookie"].partition(";")[0].encode()
    assert locked.get("/state", b"Cookie: " + cookie).status == 200
    for path in ("/app.js", "/style.css", "/state"):
        other = locked.get(path, BEARER)
        assert other.status == 200
        assert TOKEN.encode() not in other.body
        assert "Set-Cookie" not in other.headers


def test_the_token_is_not_accepted_as_a_cookie(locked: LiveProcess) -> None:
    cookie = f"Cookie: fkd-live-{locked.port}={TOKEN}".encode()
    assert locked.get("/state", cookie).status == 401


def test_only_the_address_that_guesses_has_to_wait(locked: LiveProcess) -> None:
    guesser = "127.0.0.66"
    cookie = locked.get(f"/?token={TOKEN}", source=guesser).headers["Set-Cookie"].partition(";")[0]
    for number in range(MAX_WRONG_TOKENS):
        if number % 2:
            answer = locked.get(f"/?token=guess-{number}", source=guesser)
        else:
            answer = locked.get("/state", b"Authorization: Bearer %d" % number, source=guesser)
        assert answer.status == 401
    for path, headers in ((f"/?token={TOKEN}", ()), ("/state", (BEARER,)), ("/?token=x", ())):
        answer = locked.get(path, *headers, source=guesser)
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= SECONDS_PER_RETRY
        assert "Set-Cookie" not in answer.headers
        check_headers(answer)
    assert locked.get("/state", source=guesser).status == 401
    assert locked.get("/state", b"Cookie: " + cookie.encode(), source=guesser).status == 200
    assert locked.get("/state", BEARER).status == 200
