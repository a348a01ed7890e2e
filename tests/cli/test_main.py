"""The command line: output, files written and exit status."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import joblib
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from agnostix.cli import main
from agnostix.cli.arguments import EXPLAINERS
from agnostix.exceptions import EngineError
from tests.messages import assert_states


@pytest.fixture
def report(files: SimpleNamespace, capsys: pytest.CaptureFixture):
    """Run ``agnostix report`` on the files; gives status, stdout, stderr and the page."""

    def run(*options: object, model: Path = files.model, data: Path = files.data) -> SimpleNamespace:
        page = files.folder / "out.html"
        status = main(["report", str(model), str(data), "-o", str(page), *map(str, options)])
        out, err = capsys.readouterr()
        return SimpleNamespace(status=status, out=out, err=err, page=page)

    return run


def _failed(ran: SimpleNamespace, *facts: str) -> None:
    assert ran.status == 2
    assert ran.err.startswith("agnostix: error: ")
    assert "Traceback" not in ran.err
    assert_states(ran.err, *facts)
    assert not ran.page.exists()


def test_report_with_all_options(run_once) -> None:
    ran = run_once(
        "report",
        *("--target", "income", "--by", "sex", "--weight", "weight", "--title", "Pay & <b>hours</b>"),
        *("--what-if", "age=50,hours=41..45", "--what-if", "sex=Female:50%;Male:50%"),
    )
    assert (ran.status, ran.err) == (0, "")
    assert re.search(
        rf"^{re.escape(str(ran.page))}: model.skops on 400 rows, \d\.\d\d MB, \d+\.\d s$", ran.out, re.M
    )
    html = ran.page.read_text(encoding="utf-8")
    assert "Pay &amp; &lt;b&gt;hours&lt;/b&gt;" in html
    assert html.rstrip().endswith("</html>")
    assert len(html) < 2e6
    assert ran.written == ["out.html"]


def test_report_row_option_prints_sentences(run_once) -> None:
    ran = run_once("report", "--target", "income", "--row", "17", "--row", "3")
    assert (ran.status, ran.err) == (0, "")
    lines = [line for line in ran.out.splitlines() if line.startswith("For row ")]
    assert [line.split()[2] for line in lines] == ["17", "3"]
    assert all(" the mean prediction of 50 background rows, " in line for line in lines)
    assert '<section id="rows">' in ran.page.read_text(encoding="utf-8")


@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_report_explain_option(run_once, explainer: str) -> None:
    ran = run_once("report", "--row", "17", "--explain", explainer)
    method = {
        "occlusion": "OcclusionExplainer",
        "shapley": "KernelShapExplainer",
        "lime": "LimeExplainer",
    }[explainer]
    page = ran.page.read_text(encoding="utf-8")
    assert f"<title>Why row 17, by {method}</title>" in page
    assert len(re.findall(r"<title>Why row ", page)) == 1


def test_report_lime_sentence_starts_with_fidelity(run_once) -> None:
    ran = run_once("report", "--row", "17", "--explain", "lime")
    (line,) = [line for line in ran.out.splitlines() if line.startswith("For row ")]
    fidelity = "A surrogate fitted to the model's predictions near the row follows them "
    assert line.index(fidelity) < line.index("The base value of the surrogate, its prediction where none ")


def test_report_refuses_unknown_row(report) -> None:
    _failed(report("--row", "400"), "--row", "no row 400", "positions run from 0 to 399")


def test_report_quiet_prints_nothing(run_once) -> None:
    ran = run_once("report", "--quiet", suffix=".json")
    assert (ran.status, ran.out, ran.err, ran.written) == (0, "", "", ["out.json"])


@pytest.mark.parametrize("positive", ["<=50K", ">50K"])
def test_report_positive_option(report, positive: str) -> None:
    ran = report("--target", "income", "--positive", positive, "--row", "17")
    assert (ran.status, ran.err) == (0, "")
    assert f", the mean P(income = {positive}) is " in ran.out
    assert f"For row 17 the model predicts P(income = {positive}) = " in ran.out


def test_report_positive_option_refuses_unknown_class(report) -> None:
    _failed(report("--positive", "50K"), "--positive '50K'", "not a class of the model", "has: <=50K, >50K.")


def test_report_positive_option_refuses_regression(
    report, people: pd.DataFrame, files: SimpleNamespace
) -> None:
    path = files.folder / "line.joblib"
    joblib.dump(LinearRegression().fit(people[["age", "hours"]], people["weight"]), path)
    _failed(report("--positive", "1", "--trust-pickle", model=path), "--positive '1'", "predicts numbers")


@pytest.mark.parametrize("suffix", [".pkl", ".joblib"])
def test_report_pickle_and_parquet(
    report, model, people: pd.DataFrame, files: SimpleNamespace, suffix: str
) -> None:
    data, path = files.folder / "people.parquet", files.folder / f"m{suffix}"
    people.to_parquet(data)
    joblib.dump(model, path) if suffix == ".joblib" else path.write_bytes(pickle.dumps(model))
    page = files.folder / "r.json"
    ran = report("--target", "income", "--trust-pickle", "-o", page, model=path, data=data)
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(page.read_text(encoding="utf-8"))


def test_report_markdown_output(run_once) -> None:
    ran = run_once("report", "--target", "income", "--what-if", "age=500", suffix=".md")
    assert (ran.status, ran.err) == (0, "")
    assert ran.page.read_text(encoding="utf-8").startswith("# ")


def test_report_refuses_untrusted_pickle(report, files: SimpleNamespace) -> None:
    path = files.folder / "m.pkl"
    path.write_bytes(b"")
    _failed(
        report(model=path),
        f"{path} is a pickle",
        "--trust-pickle",
        "skops.io.dump(model, 'model.skops')",
    )


def test_report_refuses_bad_what_if(report) -> None:
    _failed(
        report("--what-if", "age=50,hours=many"),
        "--what-if",
        "got 'many'",
        "hours=many:0.5\n    age=50,hours=many\n                 ^\n",
    )


def test_report_names_broken_csv_line(report, files: SimpleNamespace) -> None:
    lines = files.data.read_text().splitlines()
    lines[7] += ",one too many"
    files.data.write_text("\n".join(lines))
    _failed(
        report(),
        f"{files.data}, line 8",
        "6 values",
        "header has 5 columns",
    )


def test_report_names_missing_column(report, files: SimpleNamespace, people: pd.DataFrame) -> None:
    people.drop(columns="hours").to_csv(files.data, index=False)
    _failed(
        report(),
        str(files.data),
        "1 of the 3 columns",
        "needs: hours.",
        "has: age, sex, income, weight",
    )


def test_report_names_missing_target(report, files: SimpleNamespace) -> None:
    _failed(
        report("--target", "pay"),
        "--target 'pay'",
        str(files.data),
        "age, hours, sex, income, weight",
    )


def test_report_refuses_single_row(report, files: SimpleNamespace, people: pd.DataFrame) -> None:
    people.head(1).to_csv(files.data, index=False)
    ran = report("--target", "income")
    assert ran.status == 2
    assert "a single row" in ran.err


def test_report_infeasible_what_if_is_reported(run_once) -> None:
    ran = run_once("report", "--target", "income", "--what-if", "age=500", suffix=".md")
    # That a scenario cannot be reached is a finding to be read in the report, and no reason to lose the rest.
    assert (ran.status, ran.err) == (0, "")
    assert_states(ran.page.read_text(encoding="utf-8"), "an average age of 500", "No row has age above")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ValueError("no good"), 2, "agnostix: error: no good\n"),
        (EngineError("it failed"), 2, "agnostix: error: it failed. Add --debug to see where.\n"),
        (NotFittedError("not fitted"), 2, "agnostix: error: not fitted\n"),
        (FileNotFoundError(2, "No such file", "x"), 2, "agnostix: error: [Errno 2] No such file: 'x'\n"),
        (OSError(), 2, "agnostix: error: OSError without a message. Add --debug to see where.\n"),
        (KeyboardInterrupt(), 130, "agnostix: interrupted; nothing was written\n"),
    ],
)
def test_main_errors_print_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    error: BaseException,
    status: int,
    message: str,
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("agnostix.cli.run.run_report", fail)
    assert main(["report", "m.skops", "d.csv"]) == status
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize("debug", [True, False])
def test_main_unexpected_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, debug: bool
) -> None:
    monkeypatch.setattr("agnostix.cli.run.run_report", lambda _: 1 / 0)
    assert main(["report", "m.skops", "d.csv", *["--debug"][:debug]]) == 1
    *trace, line = capsys.readouterr().err.splitlines()
    assert_states(line, "ZeroDivisionError", "division by zero", "should not happen", "--debug")
    assert bool(trace) == debug
    assert not debug or "lambda _: 1 / 0" in "".join(trace)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["report", "m.skops"], "the following arguments are required: DATA"),
        (["report", "m.skops", "d.csv", "--what"], "unrecognized arguments"),
        (["show"], "argument COMMAND: invalid choice: 'show'"),
        (["report", "m.skops", "d.csv", "--by"], "argument --by: expected one argument"),
    ],
)
def test_main_usage_errors(capsys: pytest.CaptureFixture, argv: list[str], message: str) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: agnostix")
    assert f"\nagnostix: error: {message}" in err


@pytest.mark.parametrize("argv", [["--help"], ["report", "--help"], ["demo", "--help"]])
def test_main_help(capsys: pytest.CaptureFixture, argv: list[str]) -> None:
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith("usage: agnostix")


def test_main_as_module_prints_version() -> None:
    command = [sys.executable, "-W", "error", "-m", "agnostix", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"agnostix {version('agnostix')}\n"


def test_report_mimic_option(run_once) -> None:
    ran = run_once("report", "--mimic", "4")
    assert (ran.status, ran.err) == (0, "")
    assert "\nA surrogate tree of " in ran.out
    assert '<section id="rules">' in ran.page.read_text(encoding="utf-8")
    assert "A surrogate tree of " not in run_once("report", "--row", "17", "--explain", "lime").out


def test_scenarios_have_names_and_the_nearest_of_one_that_is_not_reached_is_an_option(run_once) -> None:
    scenarios = ("recession: hours-=2,sex=Female:45%", "age=500,sex[age=40..50]=Male:0.5")
    options = [word for text in scenarios for word in ("--what-if", text)]
    ran = run_once("report", "--target", "income", *options, suffix=".json")
    assert (ran.status, ran.err) == (0, "")
    assert "recession: What if an average hours 2 lower than in the data and sex = Female in 45" in ran.out
    (line,) = [line for line in ran.out.splitlines() if line.startswith("The nearest that can: ")]
    text = re.search(r"As an option: --what-if '(.*)'$", line)[1]
    again = run_once("report", "--target", "income", "--what-if", text, suffix=".json")
    first, second = (json.loads(one.page.read_text())["scenarios"] for one in (ran, again))
    assert first[0]["name"] == "recession"
    assert first[1]["nearest"]["outcomes"] == second[0]["outcomes"]


def test_scenarios_on_the_outcome(run_once) -> None:
    options = ("--what-if", "prediction[>50K]=0.6", "--what-if", "error_rate[sex=Male]+=2%,keep(age)")
    ran = run_once("report", "--target", "income", *options, suffix=".json")
    first, second = json.loads(ran.page.read_text())["scenarios"]
    assert first["outcomes"][0]["value"] == pytest.approx(0.6)
    reached = {row["label"]: row["reached"] - row["before"] for row in second["conditions"]}
    assert reached == {"error rate where sex = Male": pytest.approx(0.02), "mean of age": pytest.approx(0)}


def test_two_scenarios_of_one_name_are_refused(report) -> None:
    _failed(report("--what-if", "a: age=50", "--what-if", "a: age=51"), "--what-if", "two scenarios", "'a'")


@pytest.mark.filterwarnings("always:--what-if")
def test_a_column_with_the_name_of_a_word_is_told_apart(files, model, people, capsys) -> None:
    people.assign(error_rate=people["age"] / 100).to_csv(files.data, index=False)
    options = ["--target", "income", "-o", str(files.folder / "r.json"), "--what-if"]
    command = ["report", str(files.model), str(files.data), *options]
    assert main([*command, "error_rate=0.3"]) == 0
    assert_states(capsys.readouterr().err, "warning", "error_rate is that of the model", '"error_rate"')
    assert main([*command, '"error_rate"=0.5']) == 0
    assert capsys.readouterr().err == ""
    (scenario,) = json.loads((files.folder / "r.json").read_text())["scenarios"]
    assert [row["label"] for row in scenario["conditions"]] == ["mean of error_rate"]


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_what_was_read_is_said_unless_quiet(tmp_path: Path, capsys, quiet: tuple) -> None:
    towns = pd.DataFrame({"zip": ["01", "02", "NA"] * 20, "x": range(60)})
    model = make_pipeline(make_column_transformer((OneHotEncoder(), ["zip"])), LinearRegression())
    joblib.dump(model.fit(towns, towns["x"]), tmp_path / "m.joblib")
    towns.to_csv(tmp_path / "a.csv", index=False)
    page = tmp_path / "r.md"
    options = ["--trust-pickle", "-o", str(page), "--what-if", "zip=01:0.5;NA:0.2", *quiet]
    assert main(["report", str(tmp_path / "m.joblib"), str(tmp_path / "a.csv"), *options]) == 0
    err = capsys.readouterr().err
    if quiet:
        assert err == ""
    else:
        assert_states(
            err, "labels are read as the model has them", "zip as texts such as '01'", "'NA' in zip"
        )
    assert_states(page.read_text(), "Read", "zip as texts such as '01'", "zip = NA")
