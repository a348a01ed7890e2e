"""What the command line prints: texts for any terminal and encoding, and failures on one line."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType
from typing import TextIO

from agnostix.cli.loading import MissingExtraError, UntrustedTypesError
from agnostix.cli.text_reader import ConstraintSyntaxError
from agnostix.core.files import describe_error, one_line, printable
from agnostix.exceptions import EngineError

_DEBUG = "Add --debug to see where."
# Signs of our own sentences that a narrow encoding lacks.
_PLAIN = str.maketrans(
    {
        "\u2212": "-",
        "\u2013": "-",
        "\u202f": " ",
        "\u2026": "...",
        "\u201c": '"',
        "\u201d": '"',
        "\u00b1": "+/-",
    }
)


def write_line(text: str, file: TextIO | None = None) -> None:
    """Print a text that may hold names of a table: no control reaches the terminal, no sign breaks it."""
    file = sys.stdout if file is None else file
    text, encoding = printable(text, keep="\n"), getattr(file, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    print(text, file=file)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning on one line, in place of `warnings.showwarning`."""
    write_line(f"agnostix: warning: {one_line(str(message))}", sys.stderr)


def print_failure(error: BaseException, *, debug: bool) -> int:
    """Print why a command failed, in one line after the traceback if that is wanted; returns the status."""
    if debug:
        write_line("".join(traceback.format_exception(error)).rstrip(), sys.stderr)
    status, text = _describe(error)
    write_line(f"agnostix: error: {text}", sys.stderr)
    return status


def _describe(error: BaseException) -> tuple[int, str]:
    """Exit status and text: of an error of agnostix, of the model, of the system, or an unexpected one."""
    if isinstance(error, ConstraintSyntaxError | UntrustedTypesError):
        return 2, str(error)  # on several lines, each of them our own
    if isinstance(error, MissingExtraError) or _is_own(error):
        text = one_line(str(error))
        return 2, f"{text.rstrip('.')}. {_DEBUG}" if isinstance(error, EngineError) else text
    cause = describe_error(error).rstrip(".")
    call = _model_call(error.__traceback__)
    if call is not None:
        name, n_rows = call
        rows = "1 row" if n_rows == 1 else f"{n_rows:,} rows"
        return 2, (
            f"The model {name} failed on {rows} of the table: {cause}. Check that the table has the columns "
            f"and types that the model was trained on, and that its predict works on them. {_DEBUG}"
        )
    if isinstance(error, MemoryError):
        return 2, f"The memory is full ({cause}). Use fewer rows, or leave out --row and --mimic. {_DEBUG}"
    if isinstance(error, OSError | ValueError):
        return 2, one_line(str(error)) or f"{cause}. {_DEBUG}"
    return 1, f"{cause}. That should not happen, and may be a fault of agnostix. {_DEBUG}"


def _is_own(error: BaseException) -> bool:
    """Whether agnostix raised it, and so has said what to do."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    module = frames[-1].f_globals.get("__name__", "") if frames else type(error).__module__
    own_type = type(error).__module__.startswith("agnostix.")
    return bool(str(error)) and (
        own_type or (isinstance(error, ValueError | OSError) and module.startswith("agnostix"))
    )


def _model_call(trace: TracebackType | None) -> tuple[str, int] | None:
    """Name and rows of the model's call that an error comes from; None if it comes from elsewhere."""
    from agnostix.core.models import Predictor

    call = None
    for frame, _ in traceback.walk_tb(trace):
        if frame.f_code is Predictor.predict_batch.__code__:
            call = frame
    if call is None:
        return None
    return call.f_locals["self"].name, len(call.f_locals["table"])
