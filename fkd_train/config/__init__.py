"""Training recipes: validated configuration, read from TOML."""
