"""Generated pages are as the rows are now, and links in the docs lead somewhere."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_generated_pages_are_up_to_date():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    stale = [
        name for name, text in generate.pages().items()
        if (ROOT / "docs" / name).read_text() != text
    ]
    assert stale == [], "run `make docs`"


def test_links_lead_somewhere():
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_files_named_in_the_docs_exist():
    named = re.compile(r"`((?:resp_kv|cluster|engine|conf|tests|benchmarks|docs)/[\w/.-]+\.\w+)`")
    missing = [
        f"{page.relative_to(ROOT)} names {name}"
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for name in named.findall(page.read_text())
        if not (ROOT / name).exists()
    ]
    assert missing == []
