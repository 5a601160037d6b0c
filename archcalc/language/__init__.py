"""The spec language: YAML text to a `Family`, and a variant of it to a `Graph`."""
