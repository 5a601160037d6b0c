"""What documents print, and whether it holds: claims of specs, the ledger of figures, printed results."""
