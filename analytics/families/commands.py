"""Remote commands: response, execution, and whether orders to stop arrived in time. Pure."""

from __future__ import annotations

import numpy as np

from analytics.definitions import BY_ID
from analytics.figures import Figures
from analytics.results import KpiResult
from analytics.series import Bools, Floats, Series
from analytics.stop_names import plain_name

_MS = 1000.0
NOT_EXECUTED = "実行の記録なし / execution was not recorded of any command"
_SENT = "送信全数 / all sent"


def stops_of(commands: Series, names: tuple[str, ...]) -> Bools:
    """Return which commands are orders to stop, by the names of a profile."""
    wanted = {plain_name(name) for name in names}
    return np.array([name is not None and plain_name(str(name)) in wanted for name in commands.text("name")], bool)


def taken_us(commands: Series) -> Floats:
    """Return when each command took effect after it was sent: executed, or acknowledged where that is not recorded."""
    executed = commands.number("executed_us")
    return executed if np.isfinite(executed).any() else commands.number("acked_us")


def evaluate_commands(commands: Series, figures: Figures) -> list[KpiResult]:
    """Return response, execution and stop delivery; a command without an answer is infinite delay, never dropped.

    Where no command at all was answered the response has no value and says so. Where none was executed nobody can tell
    whether execution is recorded: it has no value, and is not judged by infinity.
    """
    results: list[KpiResult] = []
    if not commands.n:
        return results
    response_ms, execution_ms = commands.number("acked_us") / _MS, commands.number("executed_us") / _MS
    unanswered = int((~np.isfinite(response_ms)).sum())
    results += figures.spread("command_response", response_ms, infinite=unanswered, filters=_SENT, at_least=0.0)
    if np.isfinite(execution_ms).any():
        missing = int((~np.isfinite(execution_ms)).sum())
        results += figures.spread("command_execution", execution_ms, infinite=missing, filters=_SENT, at_least=0.0)
    else:
        required = {each.statistic for each in figures.subject.profile.requirement if each.kpi == "command_execution"}
        for statistic in BY_ID["command_execution"].statistics:
            if statistic in {"mean", *required}:
                results.append(figures.make(
                    "command_execution", statistic, None, n=0, reason=NOT_EXECUTED, filters=_SENT
                ))  # fmt: skip
    parameters = figures.subject.profile.parameters
    is_stop = stops_of(commands, parameters.stop_names)
    if is_stop.any():
        level, filters = (
            taken_us(commands)[is_stop],
            f"{parameters.stop_within_ms:g} ms 以内 / within {parameters.stop_within_ms:g} ms",
        )
        in_time = np.nan_to_num(level, nan=np.inf) <= parameters.stop_within_ms * _MS
        results.append(figures.share("stop_delivery", in_time, level=level, filters=filters))
    return results
