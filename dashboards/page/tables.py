"""What the page's tables have in common."""

from __future__ import annotations

from typing import Any

from dashboards.page.texts import Language, text


def table_column(
    language: Language, name: str, label: str, align: str, *, is_wrapped: bool = False, is_sortable: bool = False,
    class_field: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Return a column that shows the field of its name; `class_field` names the field with a cell's further classes.

    Words may wrap; numbers and their units stay on one line. A cell is styled by its classes, not by a slot: NiceGUI
    makes the cells of a slot anew whenever a thing on the page changes, which is every second, and a text that
    somebody marks to copy would be lost.
    """
    classes = f"row => '{'wrapped' if is_wrapped else 'unbroken'} column-{name} '"
    return {
        "name": name, "field": name, "label": text(language, label), "align": align, "sortable": is_sortable,
        ":classes": f"{classes} + row.{class_field}" if class_field else classes,
    }  # fmt: skip
