"""The side that runs: torch modules made of a Graph, their latency, and torch as an oracle for the counts.

The only package that imports torch or fvcore. Importing one of its modules raises ImportError where torch is missing.
"""
