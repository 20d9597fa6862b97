"""Times contenders in turns, each in its own process."""
