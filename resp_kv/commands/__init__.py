"""Commands: one file per family, one row per command.

`load()` imports every module of this folder, so that each adds its rows to the table, then gives
the most frequent rows their compiled handlers.
"""

from importlib import import_module
from pkgutil import iter_modules


def load():
    """The complete command table: {lower-case name: Command}."""
    from resp_kv.commands import hot
    from resp_kv.commands.table import COMMANDS

    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    hot.install(COMMANDS)
    return COMMANDS
