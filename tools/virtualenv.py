"""Make `.venv` with what `requirements.lock` names, quickly, and only when something changed.

`python -m venv` makes it, pip installs the one tool `uv` (pinned and hashed in `requirements-uv.lock`), and uv installs the
rest in a few seconds. Where there is no uv for the platform, or uv cannot reach what pip can, pip does it: slower, same digests.
Standard library only: it runs before anything is installed.
"""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".opsportal-stamp"
LOCK, UV_LOCK = ROOT / "requirements.lock", ROOT / "requirements-uv.lock"

# What pip calls a setting and what uv calls it; uv reads neither pip's files nor its environment.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "no-index": "UV_NO_INDEX",
}
SEPARATORS = {"UV_FIND_LINKS": ","}


class VirtualenvError(RuntimeError):
    """The virtual environment could not be made; the message says what failed and what to do."""


def wanted() -> str:
    """Digest of all that decides what is in `.venv`: both locks and the interpreter."""
    digest = hashlib.sha256(f"{sys.version}\n{sys.base_prefix}\n".encode())
    for lock in (UV_LOCK, LOCK):
        digest.update(lock.read_bytes())
    return digest.hexdigest()


def fresh() -> bool:
    """Whether `.venv` is as the locks want it."""
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted()


def refresh() -> str:
    """Make or update `.venv`; returns the name of the installer used. Raises VirtualenvError."""
    STAMP.unlink(missing_ok=True)
    if not _runs(PYTHON, "import pip"):
        shutil.rmtree(VENV, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(VENV)], "python -m venv")
    used = "uv" if _with_uv() else "pip"
    if used == "pip":
        _run([str(PYTHON), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)], "pip install")
    STAMP.write_text(wanted())
    return used


def _with_uv() -> bool:
    """Whether uv could install everything; its complaint is printed when not."""
    only = ["--only-binary", ":all:", "--require-hashes", "-r", str(UV_LOCK)]
    bring = subprocess.run(
        [str(PYTHON), "-m", "pip", "install", "--quiet", *only], capture_output=True, text=True, check=False
    )
    if bring.returncode:
        print("      uv is not available here; pip does the work, which takes a few minutes", flush=True)
        return False
    command = [
        str(VENV / "bin" / "uv"),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(PYTHON),
        "--require-hashes",
        "-r",
        str(LOCK),
    ]
    done = subprocess.run(
        command, env=os.environ | uv_environment(pip_settings()), capture_output=True, text=True, check=False
    )
    if done.returncode:
        print("      uv could not install (below); pip tries, which takes a few minutes", flush=True)
        print("\n".join(f"      | {line}" for line in done.stderr.strip().splitlines()[-6:]), flush=True)
    return not done.returncode


def pip_settings() -> dict[str, str]:
    """pip's settings as pip itself resolves them: files first, then `PIP_…` variables, the later winning."""
    listed = subprocess.run(
        [str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    return read_settings(listed)


def read_settings(listed: str) -> dict[str, str]:
    """Settings in the output of `pip config list`: those for all commands, over them those for install, over them variables.

    >>> read_settings("global.timeout='60'\\ninstall.timeout='9'\\n:env:.find-links='/wheels'\\nlist.format='json'")
    {'timeout': '9', 'find-links': '/wheels'}
    """
    scopes: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        scope, _, setting = name.partition(".")
        if scope in scopes and value:
            scopes[scope][setting] = str(ast.literal_eval(value))
    return scopes["global"] | scopes["install"] | scopes[":env:"]


def uv_environment(settings: dict[str, str]) -> dict[str, str]:
    """The same settings as uv's variables; a variable that the person has set for uv stays as it is.

    >>> uv_environment({"find-links": "/a /b", "progress-bar": "off"})["UV_FIND_LINKS"]
    '/a,/b'
    """
    # pip looks at all indexes alike; uv must too, and the digests say what is the right file.
    chosen = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}
    for setting, value in settings.items():
        if name := UV_NAMES.get(setting):
            chosen[name] = SEPARATORS.get(name, " ").join(value.split())
    return {name: value for name, value in chosen.items() if name not in os.environ}


def _runs(python: Path, code: str) -> bool:
    return python.exists() and not subprocess.run([python, "-c", code], capture_output=True, check=False).returncode


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise VirtualenvError(f"{name} failed:\n{tail}")
