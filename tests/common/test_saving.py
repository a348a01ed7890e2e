"""Files that are saved: whatever writes them keeps modes and symlinks, and writes to nothing but files."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agnostix import Explanation, WhatIfReport
from agnostix.cli.run import check_output
from agnostix.core.files import printable
from tests.messages import refuses


@pytest.fixture(scope="module")
def savers():
    """What saves to a path, by the ending of its files."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    report = WhatIfReport(lambda X: X["a"].to_numpy(), X)
    explanation = Explanation(
        values=np.ones((1, 2, 1)),
        feature_names=("a", "b"),
        output_names=("y",),
        quantity="effect",
        method="m",
    )
    return {".npz": explanation.save, **dict.fromkeys((".html", ".json", ".md"), report.save)}


ENDINGS = pytest.mark.parametrize("ending", [".npz", ".html", ".json", ".md"])


@ENDINGS
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_saving_keeps_mode(savers, ending, mode, tmp_path):
    path = tmp_path / f"a{ending}"
    path.write_text("before")
    path.chmod(mode)
    savers[ending](path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.stat().st_size > 100


@ENDINGS
def test_saving_new_file_follows_umask(savers, ending, tmp_path):
    before = os.umask(0o027)
    try:
        savers[ending](tmp_path / f"a{ending}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / f"a{ending}").stat().st_mode) == 0o640


@ENDINGS
@pytest.mark.parametrize("exists", [True, False])
def test_saving_follows_symlinks(savers, ending, exists, tmp_path):
    (tmp_path / "store").mkdir()
    target, first, second = tmp_path / "store" / "t", tmp_path / f"b{ending}", tmp_path / f"a{ending}"
    if exists:
        target.write_text("before")
        target.chmod(0o600)
    first.symlink_to(Path("store", "t"))
    second.symlink_to(first)
    savers[ending](second)
    assert first.is_symlink()
    assert second.is_symlink()
    assert target.stat().st_size > 100
    assert not exists or stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "store") == ["t"]


def special(folder, kind, ending):
    path = folder / f"a{ending}"
    if kind == "named pipe":
        os.mkfifo(path)
    elif kind == "device" and os.geteuid() == 0:
        # One of its own: what root saves to, where it is not refused, takes the place of the system's.
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.stat("/dev/null").st_rdev)
        except PermissionError:
            pytest.skip("no devices can be made here")
    elif kind == "device":
        path.symlink_to("/dev/null")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    else:
        path.mkdir()
    return path


@ENDINGS
@pytest.mark.parametrize("kind", ["named pipe", "device", "socket", "folder"])
def test_saving_refuses_what_is_no_file(savers, ending, kind, tmp_path):
    path = special(tmp_path, kind, ending)
    was = path.stat().st_mode
    with refuses(OSError, str(path), kind, "file"):
        savers[ending](path)
    if ending != ".npz":
        with refuses(OSError, f"--output {path}", kind, "file"):
            check_output(path)
    assert path.stat().st_mode == was
    assert os.listdir(tmp_path) == [path.name]
    savers[ending](tmp_path / f"file{ending}")  # the remedy


@ENDINGS
def test_saving_to_names_as_long_as_can_be(savers, ending, tmp_path):
    for name in ("a" * (255 - len(ending)) + ending, "é" * ((255 - len(ending)) // 2) + ending):
        savers[ending](tmp_path / name)
        assert (tmp_path / name).stat().st_size > 100
    with refuses(OSError, "File name too long"):
        savers[ending](tmp_path / ("a" * 256 + ending))


@ENDINGS
def test_saving_refuses_circle_of_symlinks(savers, ending, tmp_path):
    path = tmp_path / f"a{ending}"
    path.symlink_to(path)
    with refuses(OSError, "Too many levels of symbolic links"):
        savers[ending](path)


@ENDINGS
def test_saving_refuses_protected_file(savers, ending, tmp_path, monkeypatch):
    path = tmp_path / f"a{ending}"
    path.write_text("before")
    path.chmod(0o400)
    # Root may write everything, so the refusal is played.
    monkeypatch.setattr(os, "access", lambda path, mode: bool(os.stat(path).st_mode & stat.S_IWUSR))
    with refuses(PermissionError, str(path), "write-protected", "chmod u+w"):
        savers[ending](path)
    assert path.read_text() == "before"
    path.chmod(0o600)  # the remedy
    savers[ending](path)
    assert path.stat().st_size > 100


@ENDINGS
def test_error_of_the_system_names_the_file(savers, ending, tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(28, "No space left on device", str(source), None, str(target))

    monkeypatch.setattr(os, "replace", fail)
    with refuses(OSError, "No space left on device", str(tmp_path / f"a{ending}")) as error:
        savers[ending](tmp_path / f"a{ending}")
    assert ".part" not in str(error.value)
    assert os.listdir(tmp_path) == []


def test_empty_path_is_refused(savers):
    for use in (savers[".npz"], Explanation.load):
        with refuses(ValueError, "path is empty"):
            use("")


@pytest.mark.parametrize("kind", ["named pipe", "device", "socket"])
def test_load_refuses_what_is_no_file(kind, tmp_path):
    with refuses(ValueError, "a.npz", kind, "Copy"):
        Explanation.load(special(tmp_path, kind, ".npz"))


def test_printable():
    assert printable("a\x1b[31m\x9b\u202eb\r\nc\td") == r"a\x1b[31m\x9b\u202eb\r\nc\td"
    for text in ("naïve 名前 \U0001f469\u200d\U0001f52c می\u200cخواهم", ""):
        assert printable(text) == text
    assert printable("a\nb\x07", keep="\n") == "a\nb\\x07"
