"""The first inputs of the fuzzer, drawn and encoded by code: the repository has no binary seeds.

Each function returns the seeds of a target by name; `*_TOKENS` are byte strings of its formats.
"""
