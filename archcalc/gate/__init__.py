"""The gate: locks, what has drifted from them and why, and budgets."""
