"""Printed figures and results, and whether they hold: claims of specs, the ledger, accuracies."""
