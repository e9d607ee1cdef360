"""`jissho collect`: the agent on a vehicle or roadside computer."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def collect(
    *,
    config: Annotated[Path, Parameter(name=["--config", "-c"])] = Path("collect.toml"),
    check: bool = False,
) -> None:
    """Measure, keep in the outbox, publish; a batch is deleted only when the database has committed it.

    Parameters
    ----------
    config
        TOML file of the agent: site, device, broker, outbox and sources.
    check
        Read the configuration, say what it means, and stop.

    """
    from collectors.agent import run_agent  # noqa: PLC0415 - commands load what they need
    from collectors.config import load_config  # noqa: PLC0415

    settings = load_config(config)
    if check:
        print(f"{config}: good. {settings.site}/{settings.device}, {len(settings.source)} sources:")
        for source in settings.source:
            print(f"  {type(source).__struct_config__.tag} on link {source.link or '(the device itself)'}")
        return
    asyncio.run(_run_until_signal(run_agent, settings))


async def _run_until_signal(run_agent: object, settings: object) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run_agent(settings, stop=stop)  # type: ignore[operator]
