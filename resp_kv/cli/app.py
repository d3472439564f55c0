"""The `resp-kv` command: serve, local, check, dump.

`serve` reads its own arguments, because they are redis-server's and not options that a parser of
options could know. Whatever is wrong ends in one line on standard error and exit code 1.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

import resp_kv
from resp_kv.cli import inspection, serving
from resp_kv.cli import local as local_cluster
from resp_kv.cli.failure import Failure
from resp_kv.cli.local_layout import Wish

app = typer.Typer(
    name="resp-kv", no_args_is_help=True, add_completion=False, rich_markup_mode="rich",
    help="A durable, larger-than-memory key-value store behind the Redis protocol.",
)


def main() -> None:
    """Entry point of `resp-kv` and of `python -m resp_kv`."""
    try:
        app()
    except Failure as failure:
        print(f"resp-kv: {failure}", file=sys.stderr)
        sys.exit(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"resp-kv {resp_kv.__version__} (as Redis {resp_kv.REDIS_VERSION})")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", "-v", callback=_print_version, is_eager=True,
                           help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    options_metavar="[FILE.conf] [--directive value ...]",
)
def serve(context: typer.Context) -> None:
    """Run one node until it is told to stop.

    Takes a configuration file and directives as redis-server does: the command line wins over the
    file. Example: resp-kv serve my.conf --port 6380 --appendfsync always
    """
    serving.serve(context.args)


@app.command()
def local(
    nodes: Annotated[
        int | None, typer.Option("--nodes", show_default="3", help="How many nodes.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", show_default="7001",
                     help="Port of the first node; the others follow.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--dir", help="Folder of the cluster: node-1, node-2, ... are in it.")
    ] = Path("./data/local"),
    dc: Annotated[
        str | None,
        typer.Option("--dc", metavar="NAME:NUMBER,...",
                     help="Data centres and their nodes, such as a:3,b:2.")
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option("--weight", metavar="NUMBER,...",
                     help="Share of the data of each node, such as 1,1,2.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="'DIRECTIVE VALUE'",
                     help="A directive for all nodes; may be given again.")
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", help="Seconds within which the nodes must be ready.")
    ] = 60.0,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop all nodes of --dir and leave.")
    ] = False,
) -> None:
    """Run a whole cluster on this machine until Ctrl-C.

    Again on the same --dir, it starts the nodes that are missing and leaves the others alone.
    """
    if stop:
        local_cluster.stop(folder)
    else:
        wish = Wish(nodes, port, dc, weight, tuple(settings or ()))
        raise typer.Exit(local_cluster.local(folder, wish, wait))


@app.command()
def check(
    directory: Annotated[Path, typer.Argument(help="A data directory.")],
    salvage: Annotated[
        Path | None,
        typer.Option("--salvage", metavar="TARGET",
                     help="Put what can still be read into this new directory, and list what is lost.")
    ] = None,
) -> None:
    """Verify every byte of a data directory that no server is using."""
    if salvage is None:
        inspection.check(directory)
    else:
        inspection.salvage(directory, salvage)


@app.command()
def dump(file: Annotated[Path, typer.Argument(help="A log, table or manifest.")]) -> None:
    """Print what a file of a data directory holds, as lines of text."""
    inspection.dump(file)
