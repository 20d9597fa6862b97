"""Google Cloud Storage and Azure Blob Storage: listed page by page."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from fkd_infer.stores.address import Address
from fkd_infer.stores.faults import retried
from fkd_infer.stores.store import Store, StoredObject, stored_object


class GoogleStore(Store):
    """Google Cloud Storage, by gcsfs."""

    def objects(self, folder: Address) -> Iterator[StoredObject]:
        """All objects whose name begins with a folder's; a page at a time."""
        bucket, _, key = self.path(folder).partition("/")
        prefix, token = f"{key}/" if key else "", None
        while True:
            call = partial(self.system.call, "GET", "b/{}/o", bucket, json_out=True)
            page = retried(partial(call, prefix=prefix, pageToken=token))
            for item in page.get("items", ()):
                if not item["name"].endswith("/"):
                    yield stored_object(folder.container / item["name"], item)
            token = page.get("nextPageToken")
            if not token:
                return


class AzureStore(Store):
    """Azure Blob Storage, by adlfs."""

    def objects(self, folder: Address) -> Iterator[StoredObject]:
        """All objects whose name begins with a folder's; a page at a time."""
        from fsspec.asyn import sync

        container, _, key = self.path(folder).partition("/")
        client = self.system.service_client.get_container_client(container)
        pages = client.list_blobs(name_starts_with=f"{key}/" if key else None).by_page()

        async def next_page() -> list[Any] | None:
            page = await anext(pages, None)
            return None if page is None else [blob async for blob in page]

        while (page := sync(self.system.loop, next_page)) is not None:
            for blob in page:
                if not blob.name.endswith("/"):
                    info = {"size": blob.size, "etag": blob.etag}
                    yield stored_object(folder.container / blob.name, info)
