"""What two or more slices share.

- `base`: `BaseExplainer` and `AttributionExplainer`, the bases of all explainers.
- `models`: `as_predictor`, from a model of any make to a `Predictor`; capabilities; torch modules.
- `masking`: maskers of tables, images and texts, background rows and fills.
- `evaluate`: `evaluate`, the one path from rows to predictions, and its workers; `row_sources`: which rows.
- `explanation`: results, their fields, statistics, tables and files.
- `files`: files written completely or not at all, texts for terminals.
- `frames`: tables of pandas, polars and numpy; `cells`: lists, arrays and other objects in their cells.
- `features`: columns that go together, codes of values.
- `reproducibility`: seeds, threads, row order, products, quasi-random points in independent blocks.
- `sklearn_compat`: scikit-learn's parameter constraints; `typing`: types of arrays.
"""
