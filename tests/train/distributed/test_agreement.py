"""What has to be the same in all processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fkd_train.distributed import agreement
from fkd_train.distributed.agreement import require_same, require_same_versions
from fkd_train.distributed.peers import Peers
from fkd_train.errors import RunError


class Twin(Peers):
    """A process with another one that gives the same, or what is set here."""

    other: Any = None

    def gather(self, value: Any) -> list[Any]:
        return [value, self.other or value]


def test_the_same_values_pass() -> None:
    require_same_versions(Twin(Path("run"), count=2))
    require_same_versions(Peers(Path("run")))


def test_other_versions_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = Twin(Path("run"), count=2)
    monkeypatch.setattr(agreement, "gethostname", lambda: "a")
    Twin.other = ("b", {"fkd": "0.0.1", "torch": "2.0"})
    with pytest.raises(RunError) as caught:
        require_same(twin, {"fkd": "0.0.2", "torch": "2.0"}, "install the same")
    assert str(caught.value) == (
        "run: process 1 on b has fkd '0.0.1' and not '0.0.2', unlike process 0 on a; install the "
        "same"
    )
    Twin.other = None
