"""`resp-kv check`, `check --salvage` and `dump`: a data directory seen from outside, without a server."""

import os
import sys

from resp_kv.cli.failure import Failure


def check(directory):
    """Prints what was verified, then every damage; Failure when there is one."""
    if not directory.is_dir():
        raise Failure(f"{directory} is not a directory")
    engine_check, errors = _engine()
    try:
        print(engine_check.check_directory(str(directory)))
    except engine_check.DamagedDirectory as found:
        print("\n".join(found.report))
        _print_damages(found.damages)
        raise Failure(f"{directory} is damaged in {len(found.damages)} places") from None
    except (errors.EngineError, OSError) as error:
        raise Failure(error) from None
    print(f"{directory} is whole")


def salvage(directory, target):
    """Puts what can be read into `target`, prints every loss; Failure when there is one."""
    if not directory.is_dir():
        raise Failure(f"{directory} is not a directory")
    _, errors = _engine()
    from engine.salvage import salvage_directory

    try:
        result = salvage_directory(str(directory), str(target))
    except (errors.EngineError, OSError) as error:
        raise Failure(error) from None
    for note in result.notes:
        print(note)
    print(f"{target}: {result.recovered} entries, older versions and deletes included")
    if result.lost:
        _print_damages(result.lost)
        raise Failure(f"{len(result.lost)} places of {directory} were lost")
    print("nothing was lost")


def dump(file):
    """Prints a log, a table or a manifest as lines, up to the first damage."""
    if not file.is_file():
        raise Failure(f"{file} is not a file")
    engine_check, errors = _engine()
    try:
        for line in engine_check.dump_file(str(file)):
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` had enough
    except (errors.EngineError, OSError, ValueError) as error:
        raise Failure(error) from None


def _print_damages(damages):
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    for damage in damages:
        console.print(str(damage), style="bold red", markup=False)


def _engine():
    try:
        import engine.check
        import engine.errors
    except ImportError as error:
        raise Failure(f"the compiled module {error.name} is missing: run `make build`") from None
    return engine.check, engine.errors
