"""The side that shows: a module for each format, made of one description of the table. Nothing here counts or exits."""
