#!/usr/bin/env python3
"""Command line of the portal: `manage.py help` lists what it can do."""

import gc
import os
import sys


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    finally:
        gc.freeze()  # the process ends: looking through all that was imported, to free it, takes half a second


if __name__ == "__main__":
    main()
