"""The spec language: YAML text to a `Family`."""
