"""Context managers written as one generator method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self


class Scoped(ABC):
    """A context manager that opens, yields once and closes in `_scope`.

    `with` returns the object itself. An error of the block is raised inside `_scope` at its yield,
    and always leaves the block, even if `_scope` catches it.
    """

    @abstractmethod
    def _scope(self) -> Iterator[None]:
        """Opens the object, yields once and closes it."""

    def __enter__(self) -> Self:
        self.__context = contextmanager(self._scope)()
        self.__context.__enter__()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__context.__exit__(error_type, error, traceback)
