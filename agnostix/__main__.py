"""``python -m agnostix``."""

import sys

from agnostix.cli import main

if __name__ == "__main__":
    sys.exit(main())
