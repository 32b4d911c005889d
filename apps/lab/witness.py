"""The demo's key of the ledger, and the ledger's witness: a process with a user, a key and a memory of its own."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from apps.lab.layout import Layout
from apps.lab.processes import bare_environment, give, write_private
from apps.lab.supervisor import Program
from apps.ledger.keys import SigningKey
from apps.ledger.offline.verify import LOG, WITNESS

EVERY_SECONDS = 10
LEDGER, OURS = "localhost/ledger", "localhost/witness"


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Where the keys are, what the portal is told of them, and the program that watches it."""

    variables: Mapping[str, str]
    home: Path
    ledger_key: str
    user: str

    def program(self, url: str, project: Path) -> Program:
        """The witness of the portal at `url`. It gets none of the portal's variables, and becomes its user before it reads a key."""
        words = {
            "--url": url,
            "--ledger-key": self.ledger_key,
            "--key": str(self.home / "key"),
            "--memory": str(self.home / "memory"),
            "--out": str(self.home / "witnessed"),
            "--every": str(EVERY_SECONDS),
            "--as": self.user,
        }
        argv = [sys.executable, str(project / "manage.py"), "ledger", "witness"]
        pairs = [word for pair in words.items() for word in pair]
        return Program("witness", [*argv, *pairs], bare_environment({"PYTHONUNBUFFERED": "1"}), project)


def prepared(layout: Layout) -> Witnessed:
    """Make what is missing: the ledger's key for the portal only, the witness's for the servers' user only."""
    home = layout.data / "witness"
    home.mkdir(exist_ok=True)
    give(home, layout.user, 0o755)
    ledger = _key(layout.directory / "ledger.secret", LEDGER, LOG)
    own = _key(home / "key", OURS, WITNESS, layout.user)
    variables = {
        "OPSPORTAL_LEDGER_KEY_FILE": str(layout.directory / "ledger.secret"),
        "OPSPORTAL_LEDGER_WITNESS_KEY": str(own.public),
        "OPSPORTAL_LEDGER_WITNESSED": str(home / "witnessed"),
    }
    return Witnessed(variables, home, str(ledger.public), layout.user)


def _key(path: Path, name: str, kind: int, user: str = "") -> SigningKey:
    try:
        return SigningKey.parse(path.read_text(encoding="ascii"), kind)
    except FileNotFoundError:
        key = SigningKey.make(name, kind)
        write_private(path, key.secret + "\n", user)
        return key
