"""The command line. Sub-commands are loaded when called, so that the edge needs no server library to start."""

from __future__ import annotations

import logging
import sys

from cyclopts import App

from jissho import PACKAGES, __version__

app = App(
    name="jissho",
    version=__version__,
    help="実証 telemetry: from a packet on a link to a defensible number in a report. "
    "走行と回線の測定から、成果報告書の数値まで。",
)
_COMMANDS = (
    ("demo", "demo:demo", "Show the whole line on this machine: probes, replay, database, KPIs, page, workbook."),
    ("collect", "collect:collect", "Measure and send (vehicle or roadside computer)."),
    ("reflect", "reflect:reflect", "Answer probes at the far end of a link (STAMP, RFC 8762)."),
    ("point", "point:app", "In the field: mark a measuring point (測定点), test throughput at it."),
    ("ingest", "ingest:ingest", "Take batches from the broker into the database, exactly once."),
    ("serve", "serve:serve", "Serve the API and the evaluator's page."),
    ("run", "run:app", "Start, stop, list, show and pair runs (走行・測定)."),
    ("exclusion", "exclusion:app", "Leave intervals out of a run's figures, with an audit trail (除外区間)."),
    ("kpi", "kpi:kpi", "Print the KPIs of a run with interval, n, verdict and clause."),
    ("profile", "profile:app", "List and show requirement profiles (要求値), each value with its source."),
    ("route", "route:route", "Judge each section of the road or mesh of the area; write GeoJSON for a map."),
    (
        "outages",
        "outages:outages",
        "List every outage with place, radio and vehicle just before it (通信断一覧).",
    ),
    ("compare", "compare:compare", "Compare two runs, two links or a pair of runs: each difference with its interval."),
    ("plan", "compare:plan", "Say how many packets and hours can demonstrate a reliability."),
    ("import", "recording:import_file", "Import a recorded file (ping log, CSV, Parquet), or an exported outbox."),
    ("outbox", "outbox:app", "State of a device's outbox; write it to a file for a USB stick."),
    ("completeness", "completeness:completeness", "Prove what of a run is in the database."),
    ("foreign", "foreign:app", "Third parties' devices: profiles, and a trial on a captured message."),
    ("quarantine", "quarantine:app", "List, show and replay what was refused."),
    ("export", "export:export", "Write the workbook or the CSV files of a run."),
    ("grafana", "grafana:app", "Write the Grafana dashboard and provisioning files, or upload the dashboard."),
    ("parts", "parts:app", "Refresh or rebuild the partial results that long windows are answered from."),
    ("db", "db:app", "Migrate and inspect the database."),
    ("doctor", "doctor:doctor", "Check this machine, with the remedy for what is missing."),
)
for _name, _place, _help in _COMMANDS:
    app.command(f"jissho.commands.{_place}", name=_name, help=_help)

EXIT_FAILED = 2
"""Exit status of a command that could not do its work; 1 is for commands whose answer is "no"."""


def _expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is meant for the user; anything else is a fault of ours and keeps its traceback."""
    from jissho.settings import SettingError  # noqa: PLC0415 - found when an error is at hand, not at every start

    # Files that are not there, ports that are taken: the system's own words name them.
    expected: list[type[Exception]] = [SettingError, OSError]
    for module, name in (
        ("storage.errors", "StorageError"),
        ("collectors.config", "ConfigError"),
        ("collectors.outbox", "OutboxError"),
        ("collectors.field_book", "FieldBookError"),
        ("contract.carry", "CarryError"),
        ("contract.recording.profile", "ProfileError"),
        ("contract.recording", "RecordingError"),
        ("analytics.executors", "ExecutorError"),
        ("analytics.requirements", "RequirementError"),
        ("analytics.planner", "PlanError"),
    ):
        loaded = sys.modules.get(module)
        error = getattr(loaded, name, None)
        if error is not None:
            expected.append(error)
    return tuple(expected)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a foreseen error is one line on standard error and exit status 2."""
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    try:
        app(arguments)
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in PACKAGES:
            raise  # ours: a fault, not a missing extra
        extra = "collect" if error.name in {"aiomqtt", "psutil"} else "all"
        sys.stderr.write(f"jissho: {error.name} is not installed: `pip install jissho[{extra}]`\n")
        sys.exit(EXIT_FAILED)
    except Exception as error:
        if not isinstance(error, _expected_errors()):
            raise
        sys.stderr.write(f"jissho: {error}\n")
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
