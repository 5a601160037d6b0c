"""The side that shows: what a result says, and six writers of it. Nothing here counts or exits."""
