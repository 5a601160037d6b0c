"""What a run of a torch module did, as data, and its Graph. Nothing here imports torch."""

SUFFIX = ".json"  # of a trace
