"""What runs before anything is installed: it reads pip's configuration right, and needs nothing but Python."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from apps.lab import binaries
from tools import bootstrap, installer, virtualenv

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-serve.lock", "requirements-uv.lock")


def test_it_runs_on_a_bare_python_and_finds_what_is_here() -> None:
    code = "import sys; sys.path.insert(0, '.'); from tools import bootstrap; print(bootstrap.missing('test'))"
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert bare.stderr == ""
    assert bare.stdout.strip() == "()"


def test_the_tests_bring_what_shifts_a_clock_and_the_demo_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "SHIFTERS", ())
    assert [(item.apt, item.brew) for item in bootstrap.missing("test")] == [("libfaketime", "libfaketime")]
    assert bootstrap.missing("demo") == ()


def test_the_tests_bring_the_planners_extension_for_the_version_that_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binaries, "find_watched", lambda: (Path("/usr/lib/postgresql/99/bin"), 99))
    assert [item.apt for item in bootstrap.missing("test")] == ["postgresql-99-hypopg"]
    assert bootstrap.missing("demo") == ()
    monkeypatch.setattr(binaries, "find_watched", lambda: (tmp_path, 99))
    assert bootstrap.missing("test") == (), "no package is known for this one"


@pytest.mark.parametrize("words", [[], ["nonsense"], ["demo", "test"]])
def test_it_says_how_it_is_called(words: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tools.bootstrap", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (2, "usage: python3 -m tools.bootstrap demo|test\n")


def test_pips_own_settings_reach_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nindex-url = https://packages.example/simple\nextra-index-url =\n    file:///one\n    file:///two\ntimeout = 60\n"
        "[install]\ntrusted-host = packages.example\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels /more")
    monkeypatch.delenv("PIP_DEFAULT_TIMEOUT", raising=False)  # the other name of the same setting
    monkeypatch.setenv("PIP_TIMEOUT", "90")
    for name in virtualenv.UV_NAMES.values():
        monkeypatch.delenv(name, raising=False)
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=60, check=False
    )
    if listed.returncode:
        pytest.skip("this virtual environment was made without pip")
    chosen = virtualenv.uv_environment(virtualenv.read_settings(listed.stdout))
    assert chosen["UV_DEFAULT_INDEX"] == "https://packages.example/simple"
    assert chosen["UV_INDEX"].split()[-2:] == ["file:///one", "file:///two"]
    assert chosen["UV_FIND_LINKS"] == "/wheels,/more"
    assert chosen["UV_INSECURE_HOST"] == "packages.example"
    assert chosen["UV_HTTP_TIMEOUT"] == "90"


def test_what_was_set_for_uv_itself_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mine.example/simple")
    assert "UV_DEFAULT_INDEX" not in virtualenv.uv_environment({"index-url": "https://other.example/simple"})


def test_it_says_what_to_type_where_it_may_not_install() -> None:
    sudo = "" if os.geteuid() == 0 else "sudo "
    assert installer.typed(("pgbouncer", "chromium")) == (
        f"{sudo}apt-get update && {sudo}apt-get install --no-install-recommends pgbouncer chromium"
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_versions_and_digests_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links", text)
    for block in re.split(r"\n(?=\S)", text.strip()):
        if not block.startswith("#"):
            assert re.match(r"[a-z0-9._-]+(\[\S+\])?==\S+", block), block
            assert "--hash=sha256:" in block


def test_serving_takes_the_same_versions_as_developing() -> None:
    serve, everything = (
        set(re.findall(r"^(\S+==\S+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))
        for lock in ("requirements-serve.lock", "requirements.lock")
    )
    assert serve < everything
    assert not any(name.startswith(("pytest", "mypy", "ruff", "playwright")) for name in serve)


def test_make_demo_becomes_the_demo_so_that_signals_reach_it() -> None:
    said = subprocess.run(
        ["make", "--no-print-directory", "-n", "demo", "PORT=8123"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert said.stdout.splitlines()[-1] == "exec .venv/bin/python manage.py demo"
