"""The command fkd-infer and its sub-commands."""
