"""Points in a browser: the library of `web/` beside others, in Chromium."""
