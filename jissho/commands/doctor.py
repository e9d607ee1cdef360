"""`jissho doctor`: is this machine ready, and what to do where it is not."""

from __future__ import annotations

import shutil
from importlib import metadata
from typing import NamedTuple

from jissho import PACKAGES
from jissho.output import print_json, print_table

_PROGRAMS = {
    "mosquitto": ("MQTT broker", "apt install mosquitto (the demonstration falls back to amqtt)"),
    "chronyc": ("clock quality", "apt install chrony (one-way delays are 参考値 without a known clock)"),
    "iperf3": ("throughput at measuring points", "apt install iperf3 (only for `jissho point test`)"),
    "chromium": ("browser tests", "apt install chromium (only for `make test`)"),
}


class Finding(NamedTuple):
    """One line of the doctor's report."""

    what: str
    is_good: bool
    detail: str


def package_owners() -> dict[str, list[str]]:
    """Return which installed distributions claim each of our package names; it must be jissho alone."""
    owners = metadata.packages_distributions()
    return {name: sorted(set(owners.get(name, []))) for name in PACKAGES}


def examine() -> list[Finding]:
    """Return what there is to say about this machine."""
    findings = []
    for name, owners in package_owners().items():
        others = [owner for owner in owners if owner != "jissho"]
        detail = (
            f"also provided by {', '.join(others)}: install jissho in a virtual environment of its own"
            if others
            else "ours"
        )
        findings.append(Finding(f"package {name}", not others, detail))
    for program, (purpose, remedy) in _PROGRAMS.items():
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
        findings.append(Finding(f"{program} ({purpose})", path is not None, path or remedy))
    return findings


def doctor(*, json: bool = False) -> None:
    """Examine the machine: packages, programs, and the remedy for what is missing."""
    findings = examine()
    if json:
        print_json([finding._asdict() for finding in findings])
        return
    print_table(
        "jissho doctor",
        ["対象 What", "状態 State", "説明 Detail"],
        [(finding.what, "良 good" if finding.is_good else "要確認 look", finding.detail) for finding in findings],
    )
