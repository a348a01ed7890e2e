"""Files that are written completely or not at all, and texts that a terminal shows but does not obey."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# Controls, two separators of lines that no editor shows, and marks that turn the direction of the text.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LONGEST_MESSAGE = 2_000
"""Characters of an error's message that are shown."""
_BREAKS = re.compile(r"\s*[\r\n\v\f\x85\u2028\u2029]+\s*")


def check_writable(path: str | os.PathLike[str]) -> Path:
    """The file that a path leads to, behind symlinks; OSError if `replacing` cannot write it."""
    given = _checked(path)
    status = _status(given)
    if status is not None and not stat.S_ISREG(status.st_mode):
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(f"{given} is a folder. Pass the path of a file.")
        raise OSError(f"{given} is {_kind(status)}, not a file: write to a file, and copy that there.")
    if status is not None and not os.access(path, os.W_OK):
        raise PermissionError(
            f"{given} is write-protected. Choose another path, or allow writing (chmod u+w)."
        )
    target = Path(os.path.realpath(given))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(target.parent)!r} to write {target.name!r} in.")
    return target


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new file to write, which then takes the place, mode and owner of the one at the path."""
    target = check_writable(path)
    status = _status(target)
    part = target.parent / f".{uuid4().hex}.part"  # short, since the target's name may be as long as can be
    try:
        yield part
        if status is not None:
            with suppress(OSError):  # only root may give files away
                os.chown(part, status.st_uid, status.st_gid)
            os.chmod(part, stat.S_IMODE(status.st_mode))
        os.replace(part, target)
    except OSError as error:
        if error.filename == os.fspath(part):  # whose name says nothing to the user
            error.filename, error.filename2 = os.fspath(target), None
        raise
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def check_readable(path: str | os.PathLike[str]) -> None:
    """ValueError if a path leads to what has no end or waits for a writer; OSError if there is nothing."""
    status = os.stat(_checked(path))
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ValueError(
            f"{os.fsdecode(path)} is {_kind(status)}, not a file. Copy its content to a file first."
        )


def printable(text: str, keep: str = "") -> str:
    r"""A text with controls as escapes such as \\x1b, so that it cannot move a terminal's cursor or hide."""
    return _UNSEEN.sub(lambda sign: sign[0] if sign[0] in keep else repr(sign[0])[1:-1], text)


def one_line(text: str) -> str:
    """A text on one line, its controls as escapes."""
    return printable(_BREAKS.sub(" ", text))


def _checked(path: str | os.PathLike[str]) -> str:
    """A path as text; ValueError if no file can have it."""
    given = os.fsdecode(path)
    if not given:
        raise ValueError("The path is empty. Pass the path of a file.")
    if "\0" in given:
        raise ValueError(f"The path {given!r} has a NUL character, which no file can have. Leave it out.")
    return given


def describe_error(error: BaseException) -> str:
    """Type and message of an error, on one line; the errors of some libraries have no message."""
    try:
        message = one_line(str(error)).strip()
    except Exception:  # whatever the text of an error of a model's own is made of
        message = ""
    message = message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}..."
    return f"{type(error).__name__}: {message}" if message else f"{type(error).__name__} without a message"


def _status(path: str | os.PathLike[str]) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _kind(status: os.stat_result) -> str:
    return next((name for holds, name in _KINDS if holds(status.st_mode)), "not a file")
