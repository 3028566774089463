"""How fast and how small: every figure beside its limit, measured in the same run."""
