"""PixelProjection: what if the pictures were different? Each pixel a column of one population.

Rows             `population`: pictures in a canonical order, as bytes where pixels have few distinct values.
Solver           `columns`: pixels stacked in one `DistinctValues`, merged by value or row by row, which
                 `solve_targets` and `solve_kl` solve together.
Pixels shifted   `effects`: each average down and up, outcomes measured by `compare_ends`.
Outcomes shifted `shifts`: the roles exchanged, outcomes as the stack and pixels as what is measured.
"""

from agnostix.what_if.pixels.explainer import PixelProjection

__all__ = ["PixelProjection"]
