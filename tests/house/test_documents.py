"""The documents speak of files, links, targets and commands that exist."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FOLDERS = ("apps/", "bench/", "docs/", "opsportal/", "static/", "templates/", "tests/", "tools/")

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@documents
def test_its_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8"))
    places = {link: (document.parent / link).resolve() for link in links if "://" not in link}
    assert not [link for link, place in places.items() if not place.exists()]


@documents
def test_the_files_it_names_exist(document: Path) -> None:
    words = re.findall(r"`([\w./<>*-]+)`", document.read_text(encoding="utf-8"))
    named = {word for word in words if word.startswith(FOLDERS) and "<" not in word}
    assert not [word for word in named if not list(ROOT.glob(word.rstrip("/")))]


@documents
def test_the_commands_it_names_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert set(re.findall(r"manage\.py ([a-z]+)", text)) <= set(get_commands())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`(?:\w+=\S+ )*make ([a-z-]+)", text)) <= targets


def test_decisions_are_numbered_and_dated() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert decisions
    for number, path in enumerate(decisions, start=1):
        first, _, third = path.read_text(encoding="utf-8").splitlines()[:3]
        assert path.name.startswith(f"{number:04}-")
        assert first.startswith(f"# {number}. ")
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2} · (accepted|replaced by \d+)", third)


def test_nothing_of_ours_names_a_package_index_or_a_place_of_one_machine() -> None:
    hosts = "|".join(
        ["pypi" + r"\.org", "pythonhosted" + r"\.org", "npmjs" + r"\.(org|com)", "/" + "work/", "/" + "root/"]
    )
    files = [
        path
        for folder in FOLDERS
        for path in ROOT.glob(f"{folder}**/*")
        if path.suffix in {".py", ".md", ".sql", ".html", ".yaml", ".css"}
    ]
    files += [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    found = [
        path
        for path in files
        if "vendor" not in path.parts and re.search(hosts, path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
