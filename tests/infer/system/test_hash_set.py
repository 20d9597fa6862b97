"""Texts that are remembered by hash."""

from __future__ import annotations

from fkd_infer.system.hash_set import HashSet


def test_remembers_what_was_added_and_nothing_else() -> None:
    texts = HashSet()
    assert all(texts.add(f"{number}.jpg") for number in range(5000))
    assert not any(texts.add(f"{number}.jpg") for number in range(5000))
    assert len(texts) == 5000
    assert all(f"{number}.jpg" in texts for number in range(5000))
    assert not any(f"{number}.png" in texts for number in range(5000))
    assert 5 not in texts
