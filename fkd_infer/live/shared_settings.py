"""The settings of a view, which any thread may replace and wait for."""

from __future__ import annotations

import threading

from fkd_infer.live.view import ViewSettings


class SharedSettings:
    """Settings that viewers replace while threads use them."""

    def __init__(self, settings: ViewSettings) -> None:
        self._changed = threading.Condition()
        self._value = settings

    @property
    def value(self) -> ViewSettings:
        """The present settings."""
        return self._value

    def replace(self, value: ViewSettings) -> None:
        """Sets other settings, and wakes what waits for them."""
        with self._changed:
            self._value = value
            self._changed.notify_all()

    def replace_if(self, expected: ViewSettings, value: ViewSettings) -> None:
        """Sets other settings unless somebody else has replaced the expected ones."""
        with self._changed:
            if self._value == expected:
                self._value = value

    def wait_for_change(self, seen: ViewSettings, seconds: float) -> None:
        """Waits until the settings differ from those that were seen; at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._value != seen, seconds)
