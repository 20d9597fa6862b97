"""Data sets, and the training samples made from them."""
