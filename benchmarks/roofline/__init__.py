"""Compares networks with the limits of the machine."""
