from agnostix.core.base import BaseExplainer
from agnostix.explainers import OcclusionExplainer
from agnostix.testing import all_explainers, discovery
from agnostix.what_if import EntropicProjection


def test_all_explainers_finds_explainers():
    found = dict(all_explainers())
    assert found["EntropicProjection"] is EntropicProjection
    assert found["OcclusionExplainer"] is OcclusionExplainer
    assert all(issubclass(explainer, BaseExplainer) for explainer in found.values())


def test_all_explainers_finds_new_public_class(monkeypatch):
    class Later(OcclusionExplainer):
        __module__ = "agnostix.explainers.later"

    monkeypatch.setattr("agnostix.explainers.occlusion.Later", Later, raising=False)
    monkeypatch.setattr("agnostix.explainers.occlusion._Hidden", Later, raising=False)
    assert ("Later", Later) in discovery.all_explainers()
    assert "_Hidden" not in dict(discovery.all_explainers())
