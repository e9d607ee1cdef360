"""`jissho parts`: partial results, from which long windows are answered."""

from __future__ import annotations

from contextlib import closing

from cyclopts import App

from jissho.settings import Settings, database

app = App(name="parts", help="Partial results of the probe KPIs by minute, hour and day; `jissho serve` keeps them.")


@app.command
def refresh(*, profile: str = "") -> None:
    """Bring all parts up to date now, newest first. It may be interrupted: what is done stays done.

    Parameters
    ----------
    profile
        Requirement profile whose deadlines new parts are made with: a shipped name or a TOML file. Default
        JISSHO_PROFILE. Parts that exist keep theirs.

    """
    _refresh(profile, is_anew=False)


@app.command
def rebuild(*, profile: str = "") -> None:
    """Make all parts anew from the packets, as after a change of the profile's deadlines.

    Parameters
    ----------
    profile
        Requirement profile: a shipped name or a TOML file. Default JISSHO_PROFILE.

    """
    _refresh(profile, is_anew=True)


def _refresh(profile: str, *, is_anew: bool) -> None:
    from rich.progress import Progress  # noqa: PLC0415 - commands load what they need

    from analytics.part_loader import profile_deadlines, rebuild_parts, refresh_parts  # noqa: PLC0415
    from storage.connect import connect  # noqa: PLC0415

    settings = Settings()
    deadlines = profile_deadlines(profile or settings.text("JISSHO_PROFILE") or None)
    minutes = 0
    with database(settings) as url, connect(url, name="jissho-parts") as connection:
        if is_anew:
            rebuild_parts(connection, deadlines)
        with (
            Progress(transient=True) as progress,
            closing(refresh_parts(connection, deadlines, is_patient=True)) as steps,
        ):
            task = progress.add_task("時間 hours", total=None)
            for step in steps:
                minutes += step.minutes
                progress.update(task, advance=1, total=progress.tasks[0].completed + 1 + step.left)
    print(f"parts: {minutes} minutes of links computed; long windows are answered from them")
