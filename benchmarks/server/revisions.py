"""Has one node become slower? Two revisions of resp-kv beside each other.

    python -m benchmarks.server.revisions 6ac7c46              # against HEAD
    python -m benchmarks.server.revisions 6ac7c46 --new main --rounds 9

Each revision is cloned into a folder of its own, compiled there with this interpreter (the first time
takes minutes; --folder keeps them for the next time) and started as one node. They are loaded in
turns as in compare.py: ratios are new / old, medians over the rounds' own ratios. The machine's other
work hits both; still, on a busy one believe the CPU ratio rather than the throughput.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.server import compare
from benchmarks.server.load import fill
from benchmarks.server.servers import Server, free_port

REPOSITORY = Path(__file__).parents[2]
BUILT = ".built"
FOLDERS = ("engine", "cluster", "resp_kv", "resp", "commands", "shell")   # with compiled modules


def main(arguments=None):
    options = parse(arguments)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="bench-revisions-"))
    try:
        trees = [tree(folder, revision) for revision in (options.new, options.old)]
        run(options, trees)
    finally:
        if not options.folder:
            shutil.rmtree(folder, ignore_errors=True)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks.server.revisions",
                                     description=__doc__.split("\n")[0])
    parser.add_argument("old", help="a revision, such as 6ac7c46")
    parser.add_argument("--new", default="HEAD")
    parser.add_argument("--folder", help="where the built revisions are kept; default: nowhere")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", 5)))
    parser.add_argument("--requests", type=int, default=int(os.environ.get("N", 100_000)),
                        help="at P=1; five times as many at P=16")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--json", metavar="FILE", help="append one line with everything measured")
    return parser.parse_args(arguments)


def tree(folder, revision):
    """The folder of a built clone of this revision."""
    name = git(REPOSITORY, "rev-parse", "--short=12", f"{revision}^{{commit}}")
    path = folder / name
    if not (path / BUILT).exists():
        shutil.rmtree(path, ignore_errors=True)
        print(f"building {revision} in {path}", file=sys.stderr, flush=True)
        path.mkdir(parents=True)
        git(folder, "clone", "-q", "--no-checkout", str(REPOSITORY), str(path))
        git(path, "checkout", "-q", name)
        subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace",
                        "--parallel", str(os.cpu_count())], cwd=path, check=True)
        (path / BUILT).touch()
    return path


def git(folder, *words):
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True,
                          text=True).stdout.strip()


def served_from(path):
    """A command that starts resp-kv from this tree, whatever is installed."""
    return lambda port, directory: [
        "env", "-C", str(path), f"PYTHONPATH={path}", sys.executable, "-m", "resp_kv", "serve",
        "--port", str(port), "--dir", directory]


def check_origin(server, path):
    """RuntimeError unless all compiled modules of ours that it runs are those of the tree."""
    with open(f"/proc/{server.process.pid}/maps", encoding="utf-8") as file:
        loaded = {line.split(maxsplit=5)[5].strip() for line in file
                  if line.rstrip().endswith(".so")}
    ours = [name for name in loaded if Path(name).parent.name in FOLDERS]
    if not ours or any(not Path(name).is_relative_to(path.resolve()) for name in ours):
        raise RuntimeError(f"{server.name} runs modules that are not of {path}: {sorted(ours)}")


def run(options, trees):
    names = [f"{path.name} ({label})" for path, label in zip(trees, ("new", "old"))]
    with (Server("new", served_from(trees[0]), free_port()) as new,
          Server("old", served_from(trees[1]), free_port()) as old):
        for server, path in zip((new, old), trees):
            check_origin(server, path)
            fill(server, options.keys, 100)
            server.settle()
        samples = {name: {"new": [], "old": []} for name in compare.TESTS}
        for turn in range(options.rounds):
            for name, test in compare.TESTS.items():
                for server in (new, old) if turn % 2 == 0 else (old, new):
                    samples[name][server.name].append(compare.measure(server, test, options))
            print(f"round {turn + 1} of {options.rounds}", file=sys.stderr, flush=True)
    report(names, samples)
    if options.json:
        compare.append_line(options.json, {"new": names[0], "old": names[1]}, samples)


def report(names, samples):
    print(f"{names[0]} beside {names[1]}\n\n{'medians':12}{'CPU us/op':>20}{'ratio':>8}"
          f"{'thousand/s':>20}{'ratio':>8}{'p99 ms':>18}\n"
          f"{'':12}{'new       old':>20}{'':8}{'new       old':>20}{'':8}{'new      old':>18}")
    for test, by_server in samples.items():
        new, old = by_server["new"], by_server["old"]
        print(f"{test:12}"
              f"{compare.median(new, 'cpu_usec'):10.2f}{compare.median(old, 'cpu_usec'):10.2f}"
              f"{compare.ratio(new, old, 'cpu_usec'):8.2f}"
              f"{compare.median(new, 'rate') / 1e3:10.1f}{compare.median(old, 'rate') / 1e3:10.1f}"
              f"{compare.ratio(new, old, 'rate'):8.2f}"
              f"{compare.latency(new, 99.0):9.2f}{compare.latency(old, 99.0):9.2f}")


if __name__ == "__main__":
    main()
