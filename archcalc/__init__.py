"""archcalc: read a paper's table, get its layer table, and learn where a printed figure is wrong.

Everything that the command line does can be called: `archcalc.load("vgg16")`, `archcalc.compare("vgg16", "resnet50")`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes longer than all else here
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any

    from .errors import ArchcalcError
    from .measurement.conditions import Conditions
    from .models import Model, capture, load
    from .tasks.check import check
    from .tasks.compare import compare
    from .tasks.diff import diff
    from .tasks.explain import explain
    from .tasks.export import export
    from .tasks.fit import fit
    from .tasks.list import list_models as list
    from .tasks.lock import lock
    from .tasks.measure import measure
    from .tasks.paper import paper
    from .tasks.plot import plot
    from .tasks.scale import scale
    from .tasks.summary import summary
    from .tasks.trace import trace
    from .tasks.verify import verify

__version__ = "0.1.0"

# Where what is no task is found once it is asked for. That and importing a part of the package never hide one another,
# as no module here has such a name.
_FOUND = {"ArchcalcError": "errors", "Conditions": "measurement.conditions", "Model": "models"}
_FOUND |= dict.fromkeys(("capture", "load"), "models")
__all__ = [
    "ArchcalcError",
    "Conditions",
    "Model",
    "__version__",
    "capture",
    "check",
    "compare",
    "diff",
    "explain",
    "export",
    "fit",
    "list",
    "load",
    "lock",
    "measure",
    "paper",
    "plot",
    "scale",
    "summary",
    "trace",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    own = "list_models" if name == "list" else name  # a function `list` would hide Python's own where it is made
    return getattr(import_module(f".{_FOUND.get(name, f'tasks.{name}')}", __name__), own)


def __dir__() -> Sequence[str]:
    return __all__


def views_of_results() -> ModuleType:
    """What knows how results show themselves: `archcalc.show.views`."""
    from .show import views

    return views
