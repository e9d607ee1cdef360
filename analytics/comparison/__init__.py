"""Comparison of two runs, two links or two conditions: the effect of b against a, with its interval."""
