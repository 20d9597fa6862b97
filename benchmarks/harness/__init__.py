"""What all benchmarks share: processes on fixed cores, statistics, and the file of results."""
