"""The commands fkd-train, fkd-export and fkd-eval."""
