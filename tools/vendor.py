#!/usr/bin/env python3
"""Fetch what the browser needs into `static/vendor/` with `npm pack`, and write down what it is.

The files are committed: neither the demo nor the tests need npm. To take a new version change WANTED, run `make vendor`,
and commit the files with `static/vendor/manifest.json`. A version already in the manifest must arrive with the digest noted
there; tests/house/test_vendor.py keeps the files and the manifest equal.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "static" / "vendor" / "manifest.json"
SECONDS_PER_PACKAGE = 120


@dataclass(frozen=True, slots=True)
class Package:
    """One package of the npm registry and which of its files go where: source in the package → target in the repository."""

    name: str
    version: str
    files: dict[str, str]


WANTED = (
    Package(
        "htmx.org",
        "2.0.10",  # the one that the installed django-htmx brings; a test compares
        {"dist/htmx.min.js": "static/vendor/htmx.min.js", "LICENSE": "static/vendor/htmx.LICENSE.txt"},
    ),
    Package(
        "plotly.js-basic-dist-min",
        "4.1.1",
        {"plotly-basic.min.js": "static/vendor/plotly-basic.min.js", "LICENSE": "static/vendor/plotly.LICENSE.txt"},
    ),
    Package(
        "@picocss/pico",
        "2.1.1",
        {"css/pico.min.css": "static/vendor/pico.min.css", "LICENSE.md": "static/vendor/pico.LICENSE.txt"},
    ),
    Package(
        "@fontsource-variable/inter",
        "5.3.0",
        {
            "files/inter-latin-wght-normal.woff2": "static/vendor/inter-latin.woff2",
            "files/inter-latin-ext-wght-normal.woff2": "static/vendor/inter-latin-ext.woff2",
            "LICENSE": "static/vendor/inter.LICENSE.txt",
        },
    ),
    Package(
        "axe-core",
        "4.14.1",
        {"axe.min.js": "tests/browser/vendor/axe.min.js", "LICENSE": "tests/browser/vendor/axe.LICENSE.txt"},
    ),
)


class VendorError(RuntimeError):
    """A package could not be fetched, lacks a file, or is not the one noted before."""


def pack(package: Package, folder: Path) -> Path:
    """The package's tarball, downloaded into `folder`; raises VendorError with npm's own words."""
    if shutil.which("npm") is None:
        raise VendorError(
            "npm is not installed. It is needed only here, to take new versions of the browser's libraries."
        )
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{package.name}@{package.version}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_PER_PACKAGE, check=False)
    tarballs = list(folder.glob("*.tgz"))
    if run.returncode or len(tarballs) != 1:
        raise VendorError(f"npm pack {package.name}@{package.version} failed: {run.stderr.strip()}")
    return tarballs[0]


def integrity(content: bytes) -> str:
    """Digest in the notation of package managers, `sha512-<base64>`.

    >>> integrity(b"")[:20]
    'sha512-z4PhNX7vuL3xV'
    """
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def unpack(package: Package, tarball: Path) -> dict[str, object]:
    """Write the wanted files of the tarball and return the package's entry of the manifest."""
    with tarfile.open(tarball) as archive:
        described = archive.extractfile("package/package.json")
        licence = json.load(described)["license"] if described else "unknown"
        files = []
        for source, target in package.files.items():
            member = archive.extractfile(f"package/{source}")
            if member is None:
                raise VendorError(f"{package.name}@{package.version} has no file {source}; look at `tar -tf` of it.")
            content = member.read()
            place = ROOT / target
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            files.append({"file": target, "source": source, "sha256": hashlib.sha256(content).hexdigest()})
    return {
        "package": package.name,
        "version": package.version,
        "licence": licence,
        "integrity": integrity(tarball.read_bytes()),
        "files": files,
    }


def noted() -> dict[tuple[str, str], str]:
    """Digests of the tarballs by (package, version), as the manifest has them."""
    if not MANIFEST.exists():
        return {}
    return {
        (entry["package"], entry["version"]): entry["integrity"]
        for entry in json.loads(MANIFEST.read_text())["packages"]
    }


def main() -> int:
    """Fetch all, then write the manifest; nothing is written to it when one fails."""
    before, entries = noted(), []
    for package in WANTED:
        with tempfile.TemporaryDirectory() as folder:
            tarball = pack(package, Path(folder))
            expected = before.get((package.name, package.version))
            if expected and expected != integrity(tarball.read_bytes()):
                raise VendorError(
                    f"{package.name}@{package.version} arrived with another digest than noted in the manifest."
                )
            entries.append(unpack(package, tarball))
        print(f"{package.name} {package.version}")
    MANIFEST.write_text(json.dumps({"packages": entries}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VendorError as error:
        sys.exit(f"vendor: {error}")
