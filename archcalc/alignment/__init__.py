"""Two Graphs held against each other: what each computes, however it is written, and where they differ."""
