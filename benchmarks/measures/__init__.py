"""One file a figure, or a few that come of one run. Each has a function `measure(bench)` that yields measurements.

A file whose figures know no database says `DATABASE = False` and is measured once.
"""
