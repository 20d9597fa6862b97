"""fkd-infer live: a camera, stream or video in the browser while it runs."""
