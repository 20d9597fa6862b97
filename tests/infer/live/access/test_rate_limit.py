"""Limiting wrong tokens."""

from __future__ import annotations

import pytest

from fkd_infer.live.access.rate_limit import MAX_WRONG_TOKENS, SECONDS_PER_RETRY, FailedAttempts


def test_attempts_return_one_by_one() -> None:
    now = 0.0
    attempts = FailedAttempts(lambda: now)
    for _ in range(MAX_WRONG_TOKENS):
        assert attempts.wait("192.0.2.1") == 0
        attempts.count("192.0.2.1")
    assert attempts.wait("192.0.2.1") == SECONDS_PER_RETRY
    assert attempts.wait("192.0.2.2") == 0
    now = SECONDS_PER_RETRY
    assert attempts.wait("192.0.2.1") == 0
    attempts.count("192.0.2.1")
    assert attempts.wait("192.0.2.1") == pytest.approx(SECONDS_PER_RETRY)
    now = SECONDS_PER_RETRY * (MAX_WRONG_TOKENS + 5)
    assert attempts.wait("192.0.2.1") == 0


def test_an_ipv6_network_counts_as_one_address_and_memory_is_bounded() -> None:
    attempts = FailedAttempts(lambda: 0.0)
    for number in range(MAX_WRONG_TOKENS):
        attempts.count(f"2001:db8::{number}%eth0")
    assert attempts.wait("2001:db8::ffff") > 0
    assert attempts.wait("2001:db8:0:1::1") == 0
    assert attempts.wait("::ffff:192.0.2.1") == 0
    for number in range(5000):
        attempts.count(f"10.0.{number // 256}.{number % 256}")
    assert len(attempts._buckets) <= 1024
