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


def later(command, expected, printed):
    """What is expected so much later: a TTL has counted down, on a busy machine by seconds."""
    if not command.startswith("TTL "):
        return expected
    left_s, printed_s = (int(text.removeprefix("(integer) ")) for text in (expected, printed))
    return printed if left_s - 300 < printed_s <= left_s else expected


def test_the_session_of_the_readme(redis_cli, node):
    with node.client() as client:
        client.flushall()
        policy = client.config_get("appendfsync")["appendfsync"]
        try:
            for command, expected in session():
                done = subprocess.run([redis_cli, "-p", str(node.port), "--no-raw"],
                                      input=command, capture_output=True, text=True, timeout=120)
                assert (command, done.stdout) == (command, later(command, expected, done.stdout))
        finally:
            client.config_set("appendfsync", policy)
