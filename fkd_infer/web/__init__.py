"""The page that runs networks in the browser: its built files, and a server for them."""
