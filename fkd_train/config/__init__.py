"""Training recipes as validated configuration."""
