"""`resp-kv check` and `resp-kv dump`: a data directory seen from outside, without a server."""

import sys

from resp_kv.cli.failure import Failure


def check(directory):
    """Prints what was verified; exit code 1 when something is damaged."""
    if not directory.is_dir():
        raise Failure(f"{directory} is not a directory")
    report = _engine_check().check_directory(str(directory))
    from rich.console import Console

    Console(soft_wrap=True, highlight=False).print(report)


def dump(file):
    if not file.is_file():
        raise Failure(f"{file} is not a file")
    for line in _engine_check().dump_file(str(file)):
        sys.stdout.write(f"{line}\n")


def _engine_check():
    try:
        from engine import check as engine_check
    except ImportError as error:
        raise Failure(f"the compiled module {error.name} is missing: run `make build`") from None
    return engine_check
