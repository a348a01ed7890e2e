"""The battery's two doors: in pytest and outside."""

from unittest import SkipTest

import pytest

from agnostix import EntropicProjection, OcclusionExplainer
from agnostix.testing import check_explainer, parametrize_with_explainer_checks, run
from agnostix.testing.checks import CHECKS, checks_for
from tests.messages import refuses


def check_bad_input(explainer):
    """One that passes."""


def check_groups(explainer):
    """One that fails."""
    raise AssertionError("the groups are wrong")


def check_std_errors(explainer):
    """One that cannot be run."""
    raise SkipTest("no errors here")


@pytest.fixture
def _three_checks(monkeypatch):
    monkeypatch.setattr(
        run, "checks_for", lambda explainer: [check_bad_input, check_groups, check_std_errors]
    )


def short(told):
    return [(entry["check_name"], entry["status"], entry["reason"]) for entry in told]


@pytest.mark.usefixtures("_three_checks")
def test_check_explainer_raises_or_reports_failure():
    with pytest.raises(AssertionError, match=r"^the groups are wrong$"):
        check_explainer(OcclusionExplainer(None))
    told = check_explainer(OcclusionExplainer(None), on_fail=None)
    assert short(told) == [
        ("check_bad_input", "passed", None),
        ("check_groups", "failed", None),
        ("check_std_errors", "skipped", None),
    ]
    assert [str(entry["exception"]) for entry in told] == ["None", "the groups are wrong", "no errors here"]


@pytest.mark.usefixtures("_three_checks")
def test_check_explainer_expected_failure_is_xfail():
    told = check_explainer(OcclusionExplainer(None), expected_failed_checks={"check_groups": "none yet"})
    assert short(told)[1] == ("check_groups", "xfail", "none yet")
    assert str(told[1]["exception"]) == "the groups are wrong"


@pytest.mark.usefixtures("_three_checks")
def test_check_explainer_expected_failure_that_passes_is_error():
    expected = {"check_bad_input": "was broken", "check_groups": "none yet"}
    with refuses(AssertionError, "check_bad_input", "passes", "expected to fail", "was broken"):
        check_explainer(OcclusionExplainer(None), expected_failed_checks=expected)


@pytest.mark.parametrize(
    "door", [check_explainer, lambda e, **more: parametrize_with_explainer_checks([e], **more)]
)
def test_check_explainer_and_parametrize_refuse_class(door):
    with refuses(TypeError, "instance", "OcclusionExplainer(None)", "not the class"):
        door(OcclusionExplainer)


def test_check_explainer_refuses_unknown_check_and_on_fail():
    facts = ["expected_failed_checks", "check_group", "no check", ", ".join(one.__name__ for one in CHECKS)]
    with refuses(ValueError, *facts):
        check_explainer(OcclusionExplainer(None), expected_failed_checks={"check_group": "a slip"})
    with refuses(ValueError, *facts):
        parametrize_with_explainer_checks(
            [OcclusionExplainer(None)], expected_failed_checks=lambda _: {"check_group": ""}
        )
    with refuses(ValueError, "'on_fail'", "check_explainer", "'raise' or None", "got 'warn'"):
        check_explainer(OcclusionExplainer(None), on_fail="warn")


def test_parametrize_gives_readable_unique_ids_and_xfail_marks():
    explainers = [OcclusionExplainer(None, background_size=7), EntropicProjection()]
    expected = {"OcclusionExplainer": {"check_groups": "none yet"}}
    mark = parametrize_with_explainer_checks(
        explainers, expected_failed_checks=lambda explainer: expected.get(type(explainer).__name__, {})
    ).mark
    names, params = mark.args
    assert tuple(names) == ("explainer", "check")
    ids = [param.id for param in params]
    assert len(set(ids)) == len(ids) == len(checks_for(explainers[0])) + len(checks_for(explainers[1]))
    assert "OcclusionExplainer(background_size=7,model=None)-check_groups" in ids
    assert "EntropicProjection()-check_peak_memory" in ids
    marked = {param.id: param.marks for param in params if param.marks}
    assert list(marked) == ["OcclusionExplainer(background_size=7,model=None)-check_groups"]
    (xfail,) = next(iter(marked.values()))
    assert (xfail.name, xfail.kwargs) == ("xfail", {"reason": "none yet", "strict": True})


def test_checks_for_leaves_out_what_explainer_lacks():
    rows = {check.__name__ for check in checks_for(OcclusionExplainer(None))}
    population = {check.__name__ for check in checks_for(EntropicProjection())}
    assert rows == {check.__name__ for check in CHECKS}
    assert rows - population == {
        "check_additive",
        "check_explanation_storage",
        "check_groups",
        "check_ignored_feature",
        "check_outputs_parameter",
        "check_transform",
    }
