"""fkd-infer doctor: checks an installation."""
