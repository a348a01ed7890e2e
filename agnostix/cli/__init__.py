"""The command line: ``agnostix report MODEL DATA`` and ``agnostix demo``."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agnostix.cli.arguments import parse_arguments
from agnostix.cli.failures import print_failure, show_warning

__all__ = ["main"]


class _Terminated(BaseException):
    """SIGTERM was received: what is open is left by its own way out."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        The arguments without the program's name; None takes them from the system.

    Returns
    -------
    int
        The exit status: 0 if all is well, 2 after an error of the user's or the model's, 1 after an
        unexpected one, 130 when interrupted, 143 when terminated.
    """
    try:
        arguments = parse_arguments(argv)
    except SystemExit as stop:  # argparse has printed what it had to say
        return stop.code if isinstance(stop.code, int) else 2
    try:
        with _termination(), warnings.catch_warnings():
            warnings.showwarning = show_warning
            _run(arguments)
    except KeyboardInterrupt:
        print("agnostix: interrupted; nothing was written", file=sys.stderr)
        return 130
    except _Terminated:
        print("agnostix: terminated; nothing was written", file=sys.stderr)
        return 143
    except BaseException as error:  # a model may raise anything, SystemExit too
        return print_failure(error, debug=arguments.debug)
    return 0


def _run(arguments: Any) -> None:
    if arguments.command == "demo":
        from agnostix.cli.demo import run_demo

        run_demo(arguments)
    else:
        from agnostix.cli.run import run_report

        run_report(arguments)


@contextmanager
def _termination() -> Iterator[None]:
    """Make SIGTERM an exception, so that temporary files are removed."""

    def stop(*_: object) -> None:
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
