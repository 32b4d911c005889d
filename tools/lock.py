"""Write the lock files anew: `python -m tools.lock` keeps the versions it can, `--upgrade` takes the newest.

The files name versions and digests and no address: everyone installs from where their own pip installs.
"""

import os
import subprocess
import sys

from tools import virtualenv

SERVING = "requirements-serve.lock"  # for the image: without what only developers need
COMMON = ("--quiet", "--universal", "--generate-hashes", "--no-header", "--python-version", "3.11")


def compile_lock(*arguments: str, given: str = "") -> None:
    """Run `uv pip compile` where pip would look for packages; raises CalledProcessError when it cannot resolve."""
    command = [str(virtualenv.VENV / "bin" / "uv"), "pip", "compile", *COMMON, *arguments]
    environment = os.environ | virtualenv.uv_environment(virtualenv.pip_settings())
    subprocess.run(
        command, cwd=virtualenv.ROOT, env=environment, input=given, text=True, check=True, stdout=subprocess.DEVNULL
    )


def main(arguments: list[str]) -> int:
    """Four locks: uv itself (only where it is built already), everything in pyproject.toml, of that what serving needs, and
    the benchmarks' peers, which name all they need themselves.
    """
    upgrade = ["--upgrade"] if "--upgrade" in arguments else []
    compile_lock("-", "--no-build", "-o", virtualenv.UV_LOCK.name, *upgrade, given="uv\n")
    compile_lock("pyproject.toml", "--group", "dev", "-o", virtualenv.LOCK.name, *upgrade)
    compile_lock("pyproject.toml", "-c", virtualenv.LOCK.name, "-o", SERVING)
    compile_lock("bench/requirements.in", "--no-deps", "-o", "bench/requirements.lock", *upgrade)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"lock: uv stopped with exit status {error.returncode}; its words are above.")
