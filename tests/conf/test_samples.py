"""The sample files start, found one cluster, and are the ones that docs/operations.md talks of."""

import re
from pathlib import Path

import pytest

from conf import loader
from resp_kv.config import read

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "conf" / "sample-three-nodes").glob("*.conf"))
SAME = ("cluster-seeds", "cluster-secret", "cluster-partitions", "replication-factor",
        "read-consistency", "write-consistency", "requirepass", "port")


@pytest.fixture(scope="module")
def configs():
    return [read([str(path)]) for path in FILES]


def test_three_nodes(configs):
    assert [path.name for path in FILES] == ["node-1.conf", "node-2.conf", "node-3.conf"]
    assert all(config.get("cluster-enabled") for config in configs)


@pytest.mark.parametrize("name", SAME)
def test_what_must_be_the_same_is(configs, name):
    assert len({config.text(name) for config in configs}) == 1


def test_each_is_one_of_the_seeds_and_announces_it(configs):
    announced = [f"{config.get('cluster-announce-ip')}:{config.get('cluster-port')}"
                 for config in configs]
    assert tuple(announced) == configs[0].get("cluster-seeds")
    for config in configs:
        assert config.get("cluster-announce-ip") in config.get("bind")
        assert config.get("cluster-announce-port") == config.get("port")
        assert config.get("cluster-announce-bus-port") == config.get("cluster-port")
        assert config.get("cluster-secret") and config.get("requirepass")


def test_only_what_is_marked_differs():
    """A line that is not the same in all three stands under a comment that ends in (differs)."""
    texts = [path.read_text().splitlines() for path in FILES]
    assert len({len(lines) for lines in texts}) == 1
    comment = ""
    for number, lines in enumerate(zip(*texts), 1):
        if lines[0].startswith("#"):
            comment = f"{comment} {lines[0]}"
        elif not lines[0]:
            comment = ""
        elif len(set(lines)) > 1:
            assert comment.endswith("(differs)"), f"line {number}: {lines[0]}"


def test_the_walk_through_names_directives_that_exist():
    text = (ROOT / "docs" / "operations.md").read_text()
    walk = text[text.index("## A cluster of three machines"):].split("\n## ")[0]
    named = {setting.name for path in FILES for setting in loader.read_file(str(path))}
    table = re.findall(r"^\| `([a-z-]+)`", walk, re.MULTILINE)
    assert len(table) > 5
    assert set(table) <= named
