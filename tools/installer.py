"""Install programs with the system's package manager, where that is allowed, without letting anything start.

Debian starts a server when its package is installed, enables it for the next boot, and makes a PostgreSQL cluster. The lab
runs its own servers, so all three are held back, and whatever is changed for that is put back as it was.
Standard library only: it runs before anything is installed.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
KEPT_POLICY = Path("/usr/sbin/policy-rc.d.kept-by-opsportal")
CLUSTER_DEFAULTS = Path("/etc/postgresql-common/createcluster.conf")
KEPT_CLUSTER_DEFAULTS = Path("/etc/postgresql-common/createcluster.conf.kept-by-opsportal")
UNITS = {"postgresql": "postgresql.service", "pgbouncer": "pgbouncer.service", "redis-server": "redis-server.service"}
REFUSE_ALL_STARTS = "#!/bin/sh\nexit 101\n"
NO_CLUSTER = "create_main_cluster = false\n"


class InstallError(RuntimeError):
    """Something is missing and could not, or may not, be installed; the message says what to type."""


@dataclass(frozen=True, slots=True)
class Apt:
    """apt-get, run as root or by `sudo -n`, the words before each command in `prefix`."""

    prefix: tuple[str, ...]

    def run(self, *command: str, said: bool = False, **environment: str) -> None:
        """Run a command as root; raises InstallError with its last lines when it fails. `said` prints it first."""
        words = [*self.prefix, "env", *(f"{name}={value}" for name, value in environment.items()), *command]
        if said:
            print(f"      $ {' '.join(command)}", flush=True)
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
            raise InstallError(f"`{' '.join(command)}` failed with exit status {done.returncode}:\n{tail}")

    def put(self, path: Path, text: str, mode: str) -> None:
        """Write a file as root."""
        subprocess.run([*self.prefix, "tee", str(path)], input=text, stdout=subprocess.DEVNULL, text=True, check=True)
        self.run("chmod", mode, str(path))

    def install(self, packages: tuple[str, ...]) -> None:
        """Install packages; package lists are fetched once, and only when they are missing or too old."""
        updated = False
        if not _known(packages):
            self.run("apt-get", "update", "-q", said=True)
            updated = True
        with self._no_service_starts():
            try:
                self._install(packages)
            except InstallError:
                if updated:
                    raise
                self.run("apt-get", "update", "-q", said=True)
                self._install(packages)
        self._disable(packages)

    def _install(self, packages: tuple[str, ...]) -> None:
        options = ("install", "-y", "-q", "--no-install-recommends")
        if "postgresql" not in packages:
            self.run("apt-get", *options, *packages, said=True, DEBIAN_FRONTEND="noninteractive")
            return
        self.run("apt-get", *options, "postgresql-common", said=True, DEBIAN_FRONTEND="noninteractive")
        with self._no_default_cluster():
            self.run("apt-get", *options, *packages, said=True, DEBIAN_FRONTEND="noninteractive")

    @contextmanager
    def _no_service_starts(self) -> Iterator[None]:
        """While inside, Debian's packages are refused each start of a service (policy-rc.d); an own policy is put back."""
        if POLICY.exists() and not KEPT_POLICY.exists():
            self.run("mv", str(POLICY), str(KEPT_POLICY))
        self.put(POLICY, REFUSE_ALL_STARTS, "755")
        try:
            yield
        finally:
            if KEPT_POLICY.exists():
                self.run("mv", str(KEPT_POLICY), str(POLICY))
            else:
                self.run("rm", "-f", str(POLICY))

    @contextmanager
    def _no_default_cluster(self) -> Iterator[None]:
        """While inside, a new PostgreSQL package makes no cluster of its own; the defaults are put back afterwards."""
        if not KEPT_CLUSTER_DEFAULTS.exists():
            self.run("cp", "-p", str(CLUSTER_DEFAULTS), str(KEPT_CLUSTER_DEFAULTS))
        self.put(CLUSTER_DEFAULTS, KEPT_CLUSTER_DEFAULTS.read_text() + NO_CLUSTER, "644")
        try:
            yield
        finally:
            self.run("mv", str(KEPT_CLUSTER_DEFAULTS), str(CLUSTER_DEFAULTS))

    def _disable(self, packages: tuple[str, ...]) -> None:
        """Keep what was just installed from starting with the machine."""
        units = [UNITS[package] for package in packages if package in UNITS]
        if units and shutil.which("systemctl"):
            self.run("systemctl", "disable", "--quiet", *units)


@dataclass(frozen=True, slots=True)
class Brew:
    """Homebrew: needs no root and starts no service."""

    def install(self, packages: tuple[str, ...]) -> None:
        """Install packages; raises InstallError when brew fails."""
        command = ["brew", "install", "--quiet", *packages]
        print(f"      $ {' '.join(command)}", flush=True)
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
            raise InstallError(f"`{' '.join(command)}` failed; its own words are above.")


def manager() -> Apt | Brew | None:
    """The package manager that may be used here without asking for a password; None when there is none."""
    if shutil.which("apt-get"):
        if os.geteuid() == 0:
            return Apt(())
        if (
            shutil.which("sudo")
            and not subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode
        ):
            return Apt(("sudo", "-n"))
        return None
    return Brew() if shutil.which("brew") and os.geteuid() != 0 else None


def typed(packages: tuple[str, ...]) -> str:
    """What a person would type to install Debian packages where the portal may not."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get update && {sudo}apt-get install --no-install-recommends {' '.join(packages)}"


def _known(packages: tuple[str, ...]) -> bool:
    """Whether the package lists on this machine offer all of them."""
    for package in packages:
        shown = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False).stdout
        if "Candidate:" not in shown or "Candidate: (none)" in shown:
            return False
    return True
