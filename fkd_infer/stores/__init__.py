"""Object stores, through fsspec: what is listed, fetched and written there."""
