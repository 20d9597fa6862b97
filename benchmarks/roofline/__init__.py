"""How far a network is from what the machine can do."""
