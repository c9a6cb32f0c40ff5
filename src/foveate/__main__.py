"""Let `python -m foveate` be the same as `foveate`."""

import sys

from foveate.cli import main

if __name__ == "__main__":
    sys.exit(main())
