"""The browser's libraries in the tree are the ones that the manifest names, and fit the packages that rely on them."""

import hashlib
import json
import re
from importlib.resources import files

import pytest

from tools.vendor import MANIFEST, ROOT, WANTED

ENTRIES = json.loads(MANIFEST.read_text(encoding="utf-8"))["packages"]
FILES = [(entry["package"], file) for entry in ENTRIES for file in entry["files"]]


def test_the_manifest_has_the_wanted_packages_in_the_wanted_versions() -> None:
    assert [(entry["package"], entry["version"]) for entry in ENTRIES] == [
        (package.name, package.version) for package in WANTED
    ]
    assert all(entry["licence"] and entry["integrity"].startswith("sha512-") for entry in ENTRIES)


@pytest.mark.parametrize(("package", "file"), FILES, ids=[file["file"] for _, file in FILES])
def test_each_file_is_the_one_noted(package: str, file: dict[str, str]) -> None:
    assert hashlib.sha256((ROOT / file["file"]).read_bytes()).hexdigest() == file["sha256"]


def test_no_file_lies_there_unnoted() -> None:
    noted = {ROOT / file["file"] for _, file in FILES} | {MANIFEST}
    folders = (ROOT / "static" / "vendor", ROOT / "tests" / "browser" / "vendor")
    assert {path for folder in folders for path in folder.rglob("*") if path.is_file()} == noted


def test_every_package_brings_its_licence() -> None:
    assert all(any("LICENSE" in file["file"] for file in entry["files"]) for entry in ENTRIES)


def test_htmx_is_the_version_that_django_htmx_brings() -> None:
    theirs = files("django_htmx").joinpath("static/django_htmx/htmx-2.min.js").read_text(encoding="utf-8")
    version = re.search(r'version:"([\d.]+)"', theirs)
    assert version
    assert {entry["package"]: entry["version"] for entry in ENTRIES}["htmx.org"] == version[1]
