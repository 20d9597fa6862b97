"""A training run: the loop, its log, its folder."""
