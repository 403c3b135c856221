"""``python -m bayesff``."""

import sys

from bayesff.cli import main

if __name__ == "__main__":
    sys.exit(main())
