"""Compares and reports results."""
