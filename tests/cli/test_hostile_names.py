"""Errors of the command stay on one line and name the file, whatever names, paths and bytes are in it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from agnostix import Explanation
from agnostix.cli import main
from agnostix.cli.loading import load_table
from agnostix.core.files import check_readable, check_writable
from agnostix.exceptions import DataError
from tests.messages import refuses

BREAK = "a\nagnostix: error: not me\r\x1b[31m\u2028b"


@pytest.fixture
def run(files, capsys: pytest.CaptureFixture):
    """Run the command in the folder of the files; its status and the lines of stderr."""

    def call(*argv: str) -> tuple[int, list[str]]:
        here = os.getcwd()
        os.chdir(files.folder)
        try:
            status = main(list(argv))
        finally:
            os.chdir(here)
        return status, capsys.readouterr().err.splitlines()

    return call


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


ARGUMENTS = {
    "column": ("report", "model.skops", "column.csv", "--target", "no"),
    "column of the model": ("report", "model.skops", "column.csv"),
    "table": ("report", "model.skops", f"{BREAK}.csv"),
    "empty table": ("report", "model.skops", f"{BREAK}empty.csv"),
    "suffix of a table": ("report", "model.skops", f"x.{BREAK}"),
    "missing model": ("report", f"{BREAK}.pkl", "people.csv"),
    "broken model": ("report", f"{BREAK}.skops", "people.csv"),
    "pickle": ("report", f"{BREAK}.joblib", "people.csv"),
    "output": ("report", "model.skops", "people.csv", "-o", f"{BREAK}/x.html"),
    "suffix of the output": ("report", "model.skops", "people.csv", "-o", f"x.{BREAK}"),
    "target": ("report", "model.skops", "people.csv", "--target", BREAK),
    "class": ("report", "model.skops", "people.csv", "--positive", BREAK),
    "row": ("report", "model.skops", "people.csv", f"--row={BREAK}"),
    "column of a scenario": ("report", "model.skops", "people.csv", "--what-if", f'"{BREAK}"=5'),
    "level of a scenario": ("report", "model.skops", "people.csv", "--what-if", f'sex="{BREAK}":0.5'),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_error_takes_one_line(run, files, name: str) -> None:
    write(files.folder / "column.csv", f'age,"{BREAK}"\n1,2\n3,4\n'.encode())
    write(files.folder / f"{BREAK}empty.csv", b"")
    write(files.folder / f"{BREAK}.skops", b"no")
    write(files.folder / f"{BREAK}.joblib", b"no")
    status, lines = run(*ARGUMENTS[name])
    assert status == 2
    assert len(lines) == 1
    assert lines[0].startswith("agnostix: error: ")
    assert "\x1b" not in lines[0]
    assert "not me" in lines[0]


@pytest.mark.parametrize("text", [f"{BREAK}=", f"sex={BREAK}", f'"{BREAK}', f"{BREAK}=x:2"])
def test_error_of_a_scenario_takes_three_lines(run, text: str) -> None:
    status, lines = run("report", "model.skops", "people.csv", "--what-if", text)
    assert status == 2
    assert len(lines) == 3
    assert lines[0].startswith("agnostix: error: --what-if: ")
    assert lines[2].strip() == "^"


@pytest.mark.parametrize("argv", [[f"--{BREAK}"], ["report", "a", "b", BREAK], ["demo", "--mimic", BREAK]])
def test_usage_error_takes_one_line(run, argv: list[str]) -> None:
    status, lines = run(*argv)
    assert status == 2
    assert [line for line in lines if line.startswith("agnostix")] == lines[-1:]
    assert "not me" in lines[-1]


def test_untrusted_types_take_their_lines(run, files) -> None:
    skops = pytest.importorskip("skops.io")

    class Own:
        pass

    skops.dump(Own(), files.folder / f"{BREAK}.skops")
    status, lines = run("report", f"{BREAK}.skops", "people.csv")
    assert status == 2
    assert [line for line in lines if line.startswith("agnostix")] == lines[:1]
    assert len(lines) == 4


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".skops", ".pkl", ".joblib"])
@pytest.mark.parametrize("kind", ["named pipe", "socket", "folder", "leads to no file", "does not exist"])
def test_what_is_no_file_is_named(run, files, suffix: str, kind: str) -> None:
    path = files.folder / f"a{suffix}"
    if kind == "named pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "leads to no file":
        path.symlink_to(path)
    argv = ["model.skops", path.name] if suffix in (".csv", ".parquet") else [path.name, "people.csv"]
    status, lines = run("report", *argv, "--trust-pickle")
    assert status == 2
    assert len(lines) == 1
    assert path.name in lines[0]
    assert kind in lines[0]


@pytest.mark.parametrize("use", [check_readable, check_writable, Explanation.load])
@pytest.mark.parametrize("path", ["a\0b.npz", Path("a\0b.npz"), b"a\0b.npz"])
def test_path_with_nul_is_named(use, path) -> None:
    with refuses(ValueError, r"a\x00b.npz", "NUL"):
        use(path)


def test_path_as_bytes(tmp_path: Path) -> None:
    assert check_writable(os.fsencode(tmp_path / "a.npz")) == tmp_path / "a.npz"
    with refuses(FileNotFoundError, "a.npz"):
        Explanation.load(os.fsencode(tmp_path / "a.npz"))
    with pytest.raises(TypeError):
        Explanation.load(0)  # a file descriptor, which would be read from


NULS = {
    "in a number": (b"a,b\n1,2\n1\x002,3\n", 3),
    "in a text": (b"a,b\nx,2\ny\x00z,3\n", 3),
    "in a name": (b"a\x00,b\n1,2\n", 1),
    "far down": (b"a,b\n" + b"1,2\n" * 400_000 + b"\x00,1\n", 400_002),
    "utf-16": ("a,b\n1,2\n".encode("utf-16-le"), 1),
    "utf-32": ("a,b\n1,2\n".encode("utf-32-be"), 1),
    "binary": (b"\x00" * 99, 1),
}


@pytest.mark.parametrize("name", NULS)
def test_nul_is_named_by_line(tmp_path: Path, name: str) -> None:
    content, line = NULS[name]
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with refuses(DataError, "a.csv", f"line {line}", "NUL", "UTF-16", ".parquet"):
        load_table(path)
    path.write_text("a,b\n1,2\n", encoding="utf-8")  # the remedy
    assert load_table(path).shape == (1, 2)


def test_weight_that_is_no_number_is_named_by_row(run, files, people) -> None:
    people.astype({"weight": object}).assign(
        weight=lambda table: table["weight"].where(table.index != 7, "much")
    ).to_csv(files.data, index=False)
    status, lines = run("report", "model.skops", "people.csv", "--target", "income", "--weight", "weight")
    assert status == 2
    assert "'much' in row 7" in lines[0]
