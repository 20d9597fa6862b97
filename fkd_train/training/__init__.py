"""Training runs: the loop, the tasks it trains, and the run folder."""
