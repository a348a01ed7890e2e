from agnostix import EntropicProjection, OcclusionExplainer
from agnostix.core.base import BaseExplainer
from agnostix.testing import all_explainers


def test_all_explainers_finds_explainers():
    found = dict(all_explainers())
    assert found["EntropicProjection"] is EntropicProjection
    assert found["OcclusionExplainer"] is OcclusionExplainer
    assert all(issubclass(explainer, BaseExplainer) for explainer in found.values())


def test_all_explainers_finds_new_public_class(monkeypatch):
    class Later(OcclusionExplainer):
        __module__ = "agnostix.occlusion.later"

    monkeypatch.setattr("agnostix.occlusion.Later", Later, raising=False)
    monkeypatch.setattr("agnostix.occlusion._Hidden", Later, raising=False)
    assert ("Later", Later) in all_explainers()
    assert "_Hidden" not in dict(all_explainers())
