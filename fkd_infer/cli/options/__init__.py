"""The options of fkd-infer, by group."""
