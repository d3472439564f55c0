"""Imports point one way: engine and cluster know nobody, resp_kv knows them through the shell.

    resp_kv/__main__, cli -> conf, resp_kv/shell, engine (check, dump)
    resp_kv/shell         -> resp_kv, cluster, engine
    resp_kv               -> cluster, conf
    resp_kv/client        -> itself: it is used where no server is installed
    cluster, engine, conf -> themselves
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("resp_kv", "cluster", "engine", "conf")
WORLD = {"asyncio", "os", "random", "secrets", "socket", "threading", "time", "uuid"}
IMPORT = re.compile(
    r"^\s*(?:c?import\s+([\w., ]+)|from\s+([\w.]+)\s+c?import\b\s*\(?([\w, ]*))", re.MULTILINE
)


def imports_of(path):
    """Every module that a file imports or cimports, as dotted names."""
    for plain, source, names in IMPORT.findall(path.read_text()):
        for name in plain.split(","):
            if name.strip():
                yield name.split()[0]
        if source:
            yield source
            for name in names.split(","):
                if name.strip():
                    yield f"{source}.{name.split()[0]}"


def sources(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".pyx", ".pxd"):
                yield path


def allowed(path):
    """The names that a file may import from, longest match decides."""
    inner = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    if not inner.startswith("resp_kv"):
        return {inner.partition(".")[0]}
    if inner.startswith(("resp_kv.cli.", "resp_kv.__main__")):
        return set(OURS)
    if inner.startswith("resp_kv.shell"):
        return {"resp_kv", "cluster", "engine"}
    return {"resp_kv", "cluster", "conf"}


@pytest.mark.parametrize("folder", OURS)
def test_arrows(folder):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imports_of(path)
        if name.partition(".")[0] in OURS and name.partition(".")[0] not in allowed(path)
    ]
    assert wrong == []


def test_only_the_command_line_reaches_shell_and_cli():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("resp_kv")
        for name in imports_of(path)
        if f"{name}.".startswith(("resp_kv.shell.", "resp_kv.cli."))
        and path.relative_to(ROOT).parts[1] not in ("shell", "cli", "__main__.py")
    ]
    assert wrong == []


def test_client_knows_only_itself():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("resp_kv/client")
        for name in imports_of(path)
        if name.partition(".")[0] in OURS and not f"{name}.".startswith("resp_kv.client.")
    ]
    assert wrong == []


def test_nobody_knows_the_client():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(*OURS)
        for name in imports_of(path)
        if f"{name}.".startswith("resp_kv.client.")
        and path.relative_to(ROOT).parts[:2] != ("resp_kv", "client")
    ]
    assert wrong == []


def test_cluster_touches_no_outside_world():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("cluster")
        for name in imports_of(path)
        if name.partition(".")[0] in WORLD
    ]
    assert wrong == []


def test_engine_has_no_threads_and_one_door_to_the_system():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("engine")
        for name in imports_of(path)
        if name.partition(".")[0] in WORLD - {"os", "threading"}  # locks are fine, threads not
    ]
    assert wrong == []
    touching = [
        str(path.relative_to(ROOT))
        for path in sources("engine")
        if re.search(r"\bos\.(?!path)|\bThread\(", path.read_text()) and not path.stem.startswith("disk")
    ]
    assert touching == []
