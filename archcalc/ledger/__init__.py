"""The ledger: every figure that the documents print, how it is computed, and whether that agrees."""
