"""fkd-infer live: a camera or video in the browser, as it runs."""
