"""Runs on Ray beside runs on one machine: speed, memory, kills, listing, and where nodes end."""
