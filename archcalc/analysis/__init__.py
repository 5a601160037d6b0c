"""A Graph to numbers: counts, memory, receptive fields, and how other tools count. Nothing here knows of specs."""
