"""Model files: their checks before a runtime reads them, their cards, the shipped ones."""
