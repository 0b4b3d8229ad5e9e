"""The command line: python -m ddpm_lessons train | sample | data."""

import sys

from ddpm_lessons.cli import main

if __name__ == "__main__":
    sys.exit(main())
