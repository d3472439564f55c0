"""The README's redis-cli session, line by line: what a stranger pastes gives what is printed."""

import re
import subprocess
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
PROMPT = "127.0.0.1:6379> "


def session():
    """(command line, expected output) in order."""
    block = re.search(r"```\n\$ redis-cli\n(.*?)```", README.read_text(), re.DOTALL)[1]
    for part in block.split(PROMPT)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def test_the_session_of_the_readme(redis_cli, node):
    with node.client() as client:
        client.flushall()
        policy = client.config_get("appendfsync")["appendfsync"]
        try:
            for command, expected in session():
                done = subprocess.run([redis_cli, "-p", str(node.port), "--no-raw"],
                                      input=command, capture_output=True, text=True, timeout=30)
                assert (command, done.stdout) == (command, expected)
        finally:
            client.config_set("appendfsync", policy)
