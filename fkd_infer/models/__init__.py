"""Model files: checks before they are loaded, their cards, the shipped ones."""
