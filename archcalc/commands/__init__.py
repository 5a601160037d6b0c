"""The commands, a module each: it registers its options, and appends to `jobs` what is to be done.

Nothing here imports the core before a job runs, so that `--help` and completion are quick.
"""

from .check import register as check
from .compare import register as compare
from .doctor import register as doctor
from .explain import register as explain
from .fit import register as fit
from .list import register as list_models
from .lock import register as lock
from .measure import register as measure
from .new import register as new
from .paper import register as paper
from .plot import register as plot
from .report import register as report
from .scale import register as scale
from .show import register as show
from .summary import register as summary
from .verify import register as verify

# In the order of `--help`.
COMMANDS = (
    summary, measure, compare, scale, plot, report, explain, fit, paper, list_models, show, new, check, lock, verify,
    doctor
)  # fmt: skip
