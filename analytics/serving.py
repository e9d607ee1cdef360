"""Which cell served a link when: one series for each radio access technology, from what the modem said. Pure.

Modems leave out columns: a cell identity only every other time, no channel during a scan. A cell changes only where
something that identifies it is known before and after and differs. The identity (`cell_id`) decides where it is known
on both sides; else PCI, then the channel (ARFCN). What was said up to ten seconds ago still holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.series import Series, Times

LONGEST_STEP_US = 10_000_000
"""Two samples further apart than this do not show a change of cell: what happened between them is not known."""
_FIELDS = ("cell_id", "pci", "arfcn")

_Identity = dict[str, tuple[int, int]]
"""What is known of a cell: field to value and when it was last said, in microseconds."""


@dataclass(frozen=True, slots=True)
class ServingCells:
    """The samples of one technology (`rat`, "" where not stated) that name a cell, sorted by time.

    `cells` are the names of the cells: by identity, else by PCI and channel; `changes` the places of the samples before
    which the cell changed, between samples at most ten seconds apart.
    """

    rat: str
    t_us: Times
    cells: npt.NDArray[np.object_]
    changes: npt.NDArray[np.intp]


def serving_cells(radio: Series) -> list[ServingCells]:
    """Return the series of each technology that names cells, those of NR first.

    Where the samples name one technology only, those that name none are of it; beside several they are of none, and
    left out.
    """
    rats = radio.text("rat")
    names = sorted({str(rat) for rat in rats if rat is not None}, key=lambda rat: (not rat.startswith("NR"), rat))
    if len(names) <= 1:
        found = [_of_one(names[0] if names else "", radio)]
    else:
        found = [_of_one(rat, radio.where(np.asarray(rats == rat, bool))) for rat in names]
    return [each for each in found if each.t_us.size]


def _of_one(rat: str, radio: Series) -> ServingCells:
    numbers = np.stack([radio.number(name) for name in _FIELDS])
    said = np.isfinite(numbers)
    named = said[:2].any(axis=0)  # a channel alone is no cell
    t_us = radio.t_us[named]
    stays: list[dict[str, int]] = []
    changes: list[int] = []
    of_sample: list[int] = []
    state: _Identity = {}
    before_us = None
    rows = zip(t_us.tolist(), numbers[:, named].T.tolist(), said[:, named].T.tolist(), strict=True)
    for place, (at_us, values, is_said) in enumerate(rows):
        stated = {name: int(value) for name, value, known in zip(_FIELDS, values, is_said, strict=True) if known}
        held = {name: value for name, (value, said_us) in state.items() if at_us - said_us <= LONGEST_STEP_US}
        is_pause = before_us is None or at_us - before_us > LONGEST_STEP_US
        is_change = not is_pause and _differ(held, stated)
        if is_pause or is_change:
            state = {}
            stays.append({})
            if is_change:
                changes.append(place)
        state |= {name: (value, at_us) for name, value in stated.items()}
        stays[-1] |= stated
        of_sample.append(len(stays) - 1)
        before_us = at_us
    names = _names(stays)
    cells = np.empty(t_us.size, np.object_)
    cells[:] = [names[stay] for stay in of_sample]
    return ServingCells(rat, t_us, cells, np.array(changes, np.intp))


def _differ(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Tell whether two identities are those of two cells, by the first field that is known in both."""
    if "cell_id" in before and "cell_id" in after:
        return before["cell_id"] != after["cell_id"]
    return any(name in before and name in after and before[name] != after[name] for name in ("pci", "arfcn"))


def _names(stays: list[dict[str, int]]) -> list[str]:
    """Return the name of the cell of each stay; what one stay left unsaid is taken from the others, if they agree."""
    by_pci: dict[int, list[dict[str, int]]] = {}
    for stay in stays:
        if "pci" in stay:
            by_pci.setdefault(stay["pci"], []).append(stay)
    names = []
    for stay in stays:
        full = dict(stay)
        if "pci" in stay:
            for name in ("arfcn", "cell_id"):
                alike = [each for each in by_pci[stay["pci"]] if not _differ(each, full)]
                known = {each[name] for each in alike if name in each}
                if name not in full and len(known) == 1:
                    full[name] = known.pop()
        if "cell_id" in full:
            names.append(f"ID {full['cell_id']}")
        else:
            names.append(f"PCI {full['pci']}" + (f" ARFCN {full['arfcn']}" if "arfcn" in full else ""))
    return names
