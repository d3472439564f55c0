"""The examples of docs/client.md run as they stand there, but for the addresses."""

import re
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[3] / "docs" / "client.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["cart", "asyncio"])
def test_example(server, example):
    exec(compile(re.sub(r"127\.0\.0\.1:700[1-3]", server.address, example), "client.md", "exec"), {})
