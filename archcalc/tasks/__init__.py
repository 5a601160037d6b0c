"""What can be asked: each task takes plain values, gives a typed frozen result and raises `ArchcalcError`."""
