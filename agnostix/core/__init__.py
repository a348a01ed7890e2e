"""What two or more slices share.

- `base`: `BaseExplainer` and `AttributionExplainer`, the bases of all explainers.
- `models`: `as_predictor`, from a model of any make to a `Predictor`; capabilities; torch modules.
- `masking`: maskers of tables, images and texts, and fills.
- `evaluate`: `evaluate`, the one path from rows to predictions, and its workers; `row_sources`: which rows.
- `explanation`: results, their fields, statistics, tables and files.
- `files`: files written completely or not at all, texts for terminals.
- `frames`: tables of pandas, polars and numpy; `cells`: lists, arrays and other objects in their cells.
- `features`: columns that go together, codes of values.
- `reproducibility`: seeds, threads, row order, products.
- `designs`: points at which interactions of two columns pass for no third one's effect.
- `background`: rows that stand for a table, and their error; `intervals`: kinds of intervals.
- `sklearn_compat`: scikit-learn's parameter constraints; `typing`: types of arrays.
"""
