"""DeepLIFT (Shrikumar, Greenside and Kundaje, 2017): differences from a baseline, through every operation.

`slopes` has the rules, as functions of the values at the row and at the baseline, `multipliers` finds the
operations that they are for, and `reveal_cancel` is the second rule of the paper. `tape` compares the passes
of rows and baseline, `network` puts them together.
"""
