"""`jissho reflect`: the STAMP reflector at the far end of a link."""

from __future__ import annotations

import asyncio
import signal


def reflect(*, host: str = "0.0.0.0", port: int = 862, clock_bound_us: float | None = None) -> None:  # noqa: S104
    """Answer STAMP probes (RFC 8762) with the times of their arrival and departure.

    Parameters
    ----------
    host
        Address to listen on.
    port
        UDP port; 862 is the assigned one and needs root, or CAP_NET_BIND_SERVICE.
    clock_bound_us
        Bound of this computer's clock error in microseconds, told to the senders. Without it the answers say that
        the clock is not known to be synchronised, and one-way delays are marked as 参考値.

    """
    from collectors.stamp.packet import ErrorEstimate  # noqa: PLC0415 - commands load what they need
    from collectors.stamp.reflector import run_reflector  # noqa: PLC0415

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        estimate = ErrorEstimate.from_bound_us(clock_bound_us)
        counts = await run_reflector(
            host,
            port,
            error_estimate=lambda: estimate,
            on_ready=lambda bound: print(f"reflecting on {host}:{bound}", flush=True),
            stop=stop,
        )
        print(counts)

    asyncio.run(run())
