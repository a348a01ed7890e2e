from agnostix import EntropicProjection, OcclusionExplainer
from agnostix.core.base import BaseExplainer
from agnostix.testing import all_explainers


def test_explainers_are_found_where_they_are_written():
    found = dict(all_explainers())
    assert found["EntropicProjection"] is EntropicProjection
    assert found["OcclusionExplainer"] is OcclusionExplainer
    assert all(issubclass(explainer, BaseExplainer) for explainer in found.values())


def test_a_file_more_is_an_explainer_more(monkeypatch):
    class Later(OcclusionExplainer):
        __module__ = "agnostix.occlusion.later"

    monkeypatch.setattr("agnostix.occlusion.Later", Later, raising=False)
    monkeypatch.setattr("agnostix.occlusion._Hidden", Later, raising=False)
    assert ("Later", Later) in all_explainers()
    assert "_Hidden" not in dict(all_explainers())
