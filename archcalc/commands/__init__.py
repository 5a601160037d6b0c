"""The commands, a module each: it registers its options, and appends to `jobs` what is to be done.

Nothing here imports the core before a job runs, so that `--help` and completion are quick.
"""

from . import check, explain, list, new, show, summary

COMMANDS = (summary, explain, list, show, new, check)  # in the order of `--help`
