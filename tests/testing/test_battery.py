"""The battery: which explainers and checks there are, in pytest and outside."""

from unittest import SkipTest

import pytest

from agnostix import EntropicProjection, OcclusionExplainer
from agnostix.core.base import BaseExplainer
from agnostix.testing import all_explainers, battery, check_explainer, parametrize_with_explainer_checks
from agnostix.testing.battery import CHECKS, checks_for
from tests.messages import refuses


def check_input_validation(explainer):
    """One that passes."""


def check_feature_groups(explainer):
    """One that fails."""
    raise AssertionError("the groups are wrong")


def check_std_errors(explainer):
    """One that cannot be run."""
    raise SkipTest("no errors here")


@pytest.fixture
def _three_checks(monkeypatch):
    monkeypatch.setattr(
        battery,
        "checks_for",
        lambda explainer: [check_input_validation, check_feature_groups, check_std_errors],
    )


def summarize(entries):
    return [(entry["check_name"], entry["status"], entry["reason"]) for entry in entries]


@pytest.mark.usefixtures("_three_checks")
def test_check_explainer_raises_or_reports_failure():
    with pytest.raises(AssertionError, match=r"^the groups are wrong$"):
        check_explainer(OcclusionExplainer(None))
    entries = check_explainer(OcclusionExplainer(None), on_fail=None)
    assert summarize(entries) == [
        ("check_input_validation", "passed", None),
        ("check_feature_groups", "failed", None),
        ("check_std_errors", "skipped", None),
    ]
    assert [str(entry["exception"]) for entry in entries] == [
        "None",
        "the groups are wrong",
        "no errors here",
    ]


@pytest.mark.usefixtures("_three_checks")
def test_check_explainer_expected_failure_is_xfail():
    entries = check_explainer(
        OcclusionExplainer(None), expected_failed_checks={"check_feature_groups": "none yet"}
    )
    assert summarize(entries)[1] == ("check_feature_groups", "xfail", "none yet")
    assert str(entries[1]["exception"]) == "the groups are wrong"


@pytest.mark.usefixtures("_three_checks")
def test_check_explainer_expected_failure_that_passes_is_error():
    expected = {"check_input_validation": "was broken", "check_feature_groups": "none yet"}
    with refuses(AssertionError, "check_input_validation", "passes", "expected to fail", "was broken"):
        check_explainer(OcclusionExplainer(None), expected_failed_checks=expected)


@pytest.mark.parametrize(
    "entry", [check_explainer, lambda e, **more: parametrize_with_explainer_checks([e], **more)]
)
def test_check_explainer_and_parametrize_refuse_class(entry):
    with refuses(TypeError, "instance", "OcclusionExplainer(None)", "not the class"):
        entry(OcclusionExplainer)


def test_check_explainer_refuses_unknown_check_and_on_fail():
    facts = ["expected_failed_checks", "check_group", "unknown", ", ".join(one.__name__ for one in CHECKS)]
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
    expected = {"OcclusionExplainer": {"check_feature_groups": "none yet"}}
    mark = parametrize_with_explainer_checks(
        explainers, expected_failed_checks=lambda explainer: expected.get(type(explainer).__name__, {})
    ).mark
    names, params = mark.args
    assert tuple(names) == ("explainer", "check")
    ids = [param.id for param in params]
    assert len(set(ids)) == len(ids) == len(checks_for(explainers[0])) + len(checks_for(explainers[1]))
    assert "OcclusionExplainer(background_size=7,model=None)-check_feature_groups" in ids
    assert "EntropicProjection()-check_peak_memory" in ids
    marked = {param.id: param.marks for param in params if param.marks}
    assert list(marked) == ["OcclusionExplainer(background_size=7,model=None)-check_feature_groups"]
    (xfail,) = next(iter(marked.values()))
    assert (xfail.name, xfail.kwargs) == ("xfail", {"reason": "none yet", "strict": True})


def test_checks_for_leaves_out_what_explainer_lacks():
    rows = {check.__name__ for check in checks_for(OcclusionExplainer(None))}
    population = {check.__name__ for check in checks_for(EntropicProjection())}
    assert rows == {check.__name__ for check in CHECKS}
    assert rows - population == {
        "check_completeness",
        "check_save_and_load",
        "check_exact_values",
        "check_feature_groups",
        "check_ignored_feature",
        "check_intervals",
        "check_outputs_parameter",
        "check_transform",
    }


def test_all_explainers_finds_explainers():
    explainers = dict(all_explainers())
    assert explainers["EntropicProjection"] is EntropicProjection
    assert explainers["OcclusionExplainer"] is OcclusionExplainer
    assert all(issubclass(explainer, BaseExplainer) for explainer in explainers.values())


def test_all_explainers_finds_new_public_class(monkeypatch):
    class Later(OcclusionExplainer):
        __module__ = "agnostix.occlusion.later"

    monkeypatch.setattr("agnostix.occlusion.Later", Later, raising=False)
    monkeypatch.setattr("agnostix.occlusion._Hidden", Later, raising=False)
    assert ("Later", Later) in all_explainers()
    assert "_Hidden" not in dict(all_explainers())
