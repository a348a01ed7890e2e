"""The command line: ``agnostix report MODEL DATA`` and ``agnostix demo``."""

from __future__ import annotations

import sys

from agnostix.cli.arguments import parse_arguments
from agnostix.cli.loading import MissingExtraError
from agnostix.exceptions import EngineError

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        The arguments without the program's name; None takes them from the system.

    Returns
    -------
    int
        The exit status: 0 if all is well, 2 after an error of the user's, 130 when interrupted.
    """
    try:
        arguments = parse_arguments(argv)
        if arguments.command == "demo":
            from agnostix.cli.demo import run_demo

            run_demo(arguments)
        else:
            from agnostix.cli.run import run_report

            run_report(arguments)
    except SystemExit as stop:  # argparse has printed what it had to say
        return stop.code if isinstance(stop.code, int) else 2
    except (ValueError, OSError, EngineError, MissingExtraError) as error:
        print(f"agnostix: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("agnostix: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0
