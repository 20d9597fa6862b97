"""Mutations that keep files well formed enough to get past checksums and parsers.

Some of the inputs get libFuzzer's own mutation instead, after which only what would stop every
reader at once, such as a checksum, is corrected.
"""
