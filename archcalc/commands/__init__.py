"""The commands, a module each: it registers its options, and appends to `jobs` what is to be done.

Nothing here imports the core before a job runs, so that `--help` and completion are quick.
"""

from .check import register as check
from .explain import register as explain
from .fit import register as fit
from .list import register as list_models
from .new import register as new
from .show import register as show
from .summary import register as summary
from .verify import register as verify

COMMANDS = (summary, explain, fit, list_models, show, new, check, verify)  # in the order of `--help`
