"""fkd-infer tune: finds the fastest settings for a model on this machine."""
