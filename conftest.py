"""Modules that import what is optional are not collected where it is not installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["agnostix/core/models/torch_*.py", "docs/pictures.md"]
