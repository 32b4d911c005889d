"""`python -m bench [poll] [pages] [requests] [batch] [samples] [ledger] [--quick]`: prints tables, keeps figures in `bench/results/`."""

import sys
from importlib import import_module

from bench import programs
from bench.ground import ground
from tools.installer import InstallError

NAMES = ("poll", "pages", "requests", "batch", "samples", "ledger")


def main(words: list[str]) -> int:
    """Run the named benchmarks, all by default; `--quick` takes few rounds, to see that they work."""
    quick, names = "--quick" in words, [word for word in words if word != "--quick"] or list(NAMES)
    if unknown := set(names) - set(NAMES):
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    try:
        programs.bring()
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    with ground() as lab:
        for name in names:
            import_module(f"bench.{name}").main(lab, quick)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
