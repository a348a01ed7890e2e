"""Models of tree libraries as plain arrays.

- `reading`: `read_trees`, which unfolds Pipelines and checks what it read; `libraries`: whose model it is.
- `ensemble`: `TreeEnsemble`; `sklearn_trees`, `xgboost_trees`, `lightgbm_trees`: one reader a library.
- `sources`: which columns of a table each column stems from that a fitted transformer makes; `matrices`:
  tables as the numbers that a library makes of them; `mixing`: mixtures of rows, to see what steps mix.
"""

from agnostix.core.trees.ensemble import Tree, TreeEnsemble
from agnostix.core.trees.reading import TreeModel, margin_predictor, read_trees

__all__ = ["Tree", "TreeEnsemble", "TreeModel", "margin_predictor", "read_trees"]
