"""Searches over settings with Optuna: trials that prune, survive and can be shared."""
