"""A workbook that is written and opened again."""

import openpyxl
import pytest

from analytics.report.workbook import write_workbook


@pytest.fixture
def opened(tmp_path):
    """Write a report and open it again."""

    def write(given, **options):
        path = tmp_path / "run.xlsx"
        names = write_workbook(given, path, **options)
        book = openpyxl.load_workbook(path)
        assert book.sheetnames == names
        return book

    return write
