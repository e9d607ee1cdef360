"""What report writers take away: the Excel workbook and the CSV of a run.

Pure: everything comes in as one `RunReport` (model.py), nothing is read from a database or a clock.
"""
