"""Pages of Google Cloud Storage and Azure, as their packages would bring them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fkd_infer.stores.address import Address
from fkd_infer.stores.clouds import AzureStore, GoogleStore

PAGES = [["a/1.jpg", "a/b/"], ["a/b/2.jpg"], []]
FOUND = [("a/1.jpg", 7, "v"), ("a/b/2.jpg", 7, "v")]


class System:
    """What both packages have in common."""

    @staticmethod
    def _strip_protocol(url: str) -> str:
        return url.partition("://")[2]


class GoogleSystem(System):
    asked: list[object]

    def call(self, method: str, path: str, bucket: str, **given: Any) -> dict[str, Any]:
        assert (method, path, bucket, given["prefix"]) == ("GET", "b/{}/o", "bucket", "a/")
        self.asked.append(given["pageToken"])
        number = int(given["pageToken"] or 0)
        items = [{"name": name, "size": "7", "etag": "v"} for name in PAGES[number]]
        more = {"nextPageToken": str(number + 1)} if number + 1 < len(PAGES) else {}
        return {"items": items, **more}


class AzureSystem(System):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.asked = 0
        self.service_client = self

    def get_container_client(self, name: str) -> Any:
        assert name == "bucket"
        return SimpleNamespace(list_blobs=self._list)

    def _list(self, name_starts_with: str) -> Any:
        assert name_starts_with == "a/"
        return SimpleNamespace(by_page=self._pages)

    async def _pages(self) -> AsyncIterator[AsyncIterator[Any]]:
        for names in PAGES:
            self.asked += 1
            yield self._page(names)

    async def _page(self, names: list[str]) -> AsyncIterator[Any]:
        for name in names:
            yield SimpleNamespace(name=name, size=7, etag="v")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever, daemon=True)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


def test_google_is_listed_page_by_page() -> None:
    system = GoogleSystem()
    system.asked = []
    objects = GoogleStore(system).objects(Address.parse("gs://bucket/a"))
    first = next(objects)
    assert system.asked == [None]
    found = [(each.address.key, each.size, each.version) for each in (first, *objects)]
    assert found == FOUND
    assert system.asked == [None, "1", "2"]


def test_azure_is_listed_page_by_page(loop: asyncio.AbstractEventLoop) -> None:
    pytest.importorskip("fsspec")
    system = AzureSystem(loop)
    objects = AzureStore(system).objects(Address.parse("az://bucket/a"))
    first = next(objects)
    assert system.asked == 1
    found = [(each.address.key, each.size, each.version) for each in (first, *objects)]
    assert found == FOUND
