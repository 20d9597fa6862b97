"""The machine: hardware, threads, stopwatch."""
