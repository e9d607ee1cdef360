"""The source: asks chrony, else the kernel, every few seconds. Never says "good" without being told so."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import Literal

from collectors.clock.chrony import parse_tracking
from collectors.clock.kernel import kernel_sample, read_kernel_clock
from collectors.source import Emit, Source, SourceConfig, SourceKind
from collectors.ticks import ticks
from contract.samples import Value

_CHRONYC_TIMEOUT_S = 3.0


class ClockConfig(SourceConfig, frozen=True, kw_only=True, tag="clock"):
    """See sample.toml."""

    method: Literal["auto", "chrony", "adjtimex", "declared"] = "auto"
    interval_s: float = 10.0
    declared_bound_us: float = 0.0
    declared_reason: str = ""

    def __post_init__(self) -> None:
        """Refuse a declaration without its reason."""
        super().__post_init__()
        if self.interval_s <= 0:
            raise ValueError("interval_s must be greater than 0")
        if self.method == "declared" and not self.declared_reason:
            raise ValueError('method = "declared" needs declared_reason: why may the clock be trusted?')


class ClockSource:
    """Emits one `clock` sample a tick."""

    def __init__(self, config: ClockConfig) -> None:
        """Keep the configuration."""
        self._config = config

    async def run(self, emit: Emit) -> None:
        """Measure until cancelled. With method "chrony" a chrony that does not answer is an OSError."""
        async for _ in ticks(self._config.interval_s):
            sample = await self._sample()
            emit("clock", time.time_ns(), sample)

    async def _sample(self) -> dict[str, Value]:
        config = self._config
        if config.method == "declared":
            return {
                "method": "declared",
                "synced": True,
                "bound_us": config.declared_bound_us,
                "reference": config.declared_reason,
            }
        if config.method == "chrony":
            return await _ask_chrony()
        if config.method == "auto" and shutil.which("chronyc"):
            try:
                return await _ask_chrony()
            except OSError:
                pass  # chrony is installed and does not run: the kernel knows what it was told last
        try:
            return kernel_sample(read_kernel_clock())
        except OSError as error:
            if config.method == "adjtimex":
                raise
            return {"method": "none", "synced": False, "reference": f"no clock information: {error}"}


async def _ask_chrony() -> dict[str, Value]:
    process = await asyncio.create_subprocess_exec(
        "chronyc", "-c", "tracking", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(_CHRONYC_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise OSError(f"chronyc did not answer within {_CHRONYC_TIMEOUT_S:.0f} s") from error
    text = output.decode(errors="replace").strip()
    if process.returncode != 0:
        raise OSError(f"chronyc: {text}; is chronyd running?")
    try:
        return parse_tracking(text.splitlines()[0] if text else "")
    except ValueError as error:
        raise OSError(str(error)) from error


def _build(config: ClockConfig) -> Source:
    return ClockSource(config)


KIND = SourceKind(name="clock", version=1, streams=("clock",), config=ClockConfig, build=_build)
