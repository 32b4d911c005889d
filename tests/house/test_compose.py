"""docker-compose.yml, .env.example and the settings speak of the same things."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from apps.lab.demo import programs
from apps.ledger.keys import SigningKey
from apps.ledger.offline.verify import LOG, WITNESS

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
PORTAL = {name: service for name, service in OURS.items() if name != "witness"}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")


def read_by_the_settings() -> set[str]:
    """Every OPSPORTAL_… name that the settings ask the environment for."""
    return set(
        re.findall(r'"(OPSPORTAL_[A-Z0-9_]+)"', (ROOT / "opsportal" / "settings.py").read_text(encoding="utf-8"))
    )


def test_env_example_names_every_setting_and_no_other() -> None:
    assert set(re.findall(r"^#?(OPSPORTAL_[A-Z0-9_]+)=", EXAMPLE, re.MULTILINE)) == read_by_the_settings()


def test_env_example_shows_the_defaults_that_the_settings_have() -> None:
    settings = (ROOT / "opsportal" / "settings.py").read_text(encoding="utf-8")
    for name, shown in re.findall(
        r"^#(OPSPORTAL_(?:POLL_SECONDS|RAW_DAYS|ROLLUP_5M_DAYS|ROLLUP_1H_DAYS|ORIGIN|HOSTS|TIME_ZONE|REDIS_URL|LOG_LEVEL))=(.*)$",
        EXAMPLE,
        re.MULTILINE,
    ):
        assert re.search(rf'"{name}", (default=)?"?{re.escape(shown)}\b|"{name}", "{re.escape(shown)}"', settings), name


def test_what_compose_hands_to_the_portal_is_a_setting() -> None:
    assert set(PORTAL) == {"web", "worker", "beat", "migrate"}
    for name, service in PORTAL.items():
        assert set(service["environment"]) <= read_by_the_settings(), name
        assert service["env_file"] == [".env"]


def test_every_password_that_compose_asks_for_is_in_env_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", text)) - {"PORT"}
    assert asked <= set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE))


def test_only_migrate_knows_the_owners_login() -> None:
    assert [name for name, service in PORTAL.items() if "OPSPORTAL_OWNER_DATABASE_URL" in service["environment"]] == [
        "migrate"
    ]


def test_every_published_port_is_on_loopback() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:${PORT:-8000}:8000"]


def test_the_example_tier_starts_only_when_asked_for() -> None:
    for name, service in SERVICES.items():
        assert (service.get("profiles") == ["tier"]) == name.startswith("tier-"), name


def test_migrate_runs_a_command_that_exists() -> None:
    assert PORTAL["migrate"]["command"][:2] == ["python", "manage.py"]
    assert PORTAL["migrate"]["command"][2] in get_commands()


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_compose_starts_the_same_programs_as_the_demo(name: str) -> None:
    demo = next(program for program in programs(["0.0.0.0:8000"], Path("/tmp"), {}) if program.name == name)
    assert PORTAL[name]["command"] == list(demo.argv[2:])


def test_the_portal_runs_without_privileges() -> None:
    for service in OURS.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
    assert "\nUSER opsportal\n" in DOCKERFILE


def mounts(name: str) -> dict[str, str]:
    """Where a service sees which volume: folder to `<volume>` or `<volume>:ro`."""
    parts = [volume.split(":") for volume in SERVICES[name].get("volumes", [])]
    return {folder: ":".join([volume, *mode]) for volume, folder, *mode in parts}


def test_the_witness_shares_nothing_with_the_portal_but_what_it_hands_out() -> None:
    witness = SERVICES["witness"]
    assert witness["profiles"] == ["witness"]
    assert not {"environment", "env_file", "configs", "secrets", "ports"} & set(witness)
    assert [name for name, service in SERVICES.items() if set(service["networks"]) & set(witness["networks"])] == [
        "web", "witness",
    ]  # fmt: skip
    assert COMPOSE["networks"]["witness"] == {"internal": True}
    assert f"useradd --uid 10002 --no-create-home --home-dir /nonexistent {witness['user']} " in DOCKERFILE
    given = dict(word.removeprefix("--").split("=", 1) for word in witness["command"][4:])
    for kept, mode, others in (("key", "0700", set()), ("memory", "0700", set()), ("out", "0755", {"witnessed:ro"})):
        folder = str(Path(given[kept]).parent)
        assert f"install -d -o witness -g witness -m {mode} {folder}" in DOCKERFILE
        volume = mounts("witness")[folder]
        seen = {seen for name in set(SERVICES) - {"witness"} for seen in mounts(name).values()}
        assert {other for other in seen if other.partition(":")[0] == volume} == others
    for service in PORTAL.values():
        assert given["out"] in service["environment"]["OPSPORTAL_LEDGER_WITNESSED"]
        assert "web" in service["environment"]["OPSPORTAL_HOSTS"].split(",")
    assert mounts("web")[str(Path(given["out"]).parent)] == "witnessed:ro"


def test_the_witness_starts_as_compose_starts_it_without_any_setting(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SigningKey.make("witness.test", WITNESS).secret, encoding="ascii")
    words = [
        re.sub(r"=/var/lib/witness(ed)?/", f"={tmp_path}/", word)
        .replace("${LEDGER_PUBLIC_KEY:-}", str(SigningKey.make("ledger.test", LOG).public))
        .replace("http://web:8000", "http://127.0.0.1:9")
        for word in SERVICES["witness"]["command"][1:]
    ]
    bare = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, *words, "--once"]
    done = subprocess.run(argv, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "http://127.0.0.1:9 does not answer" in done.stderr


def test_mounted_configuration_and_volumes_are_declared() -> None:
    for name, service in SERVICES.items():
        assert {config["source"] for config in service.get("configs", [])} <= set(COMPOSE["configs"]), name
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"]), name
