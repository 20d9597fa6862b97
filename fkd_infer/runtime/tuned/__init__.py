"""Sessions with the settings that `fkd-infer tune` found for a model on this machine."""
