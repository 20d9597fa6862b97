"""Proves and measures fkd on a GPU, part by part, each in a process of its own."""
