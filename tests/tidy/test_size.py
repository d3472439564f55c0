"""A file that needs more than 600 lines holds two ideas."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("resp_kv", "cluster", "engine", "conf", "tests", "benchmarks")
LINES_MAX = 600


def test_no_file_is_longer():
    long = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".pyx", ".pxd") and "node_modules" not in path.parts
        and (count := len(path.read_text().splitlines())) > LINES_MAX
    ]
    assert long == []
