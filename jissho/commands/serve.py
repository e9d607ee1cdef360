"""`jissho serve`: the API and the evaluator's page."""

from __future__ import annotations

PARTS_EVERY_S = 30.0
"""How often partial results are refreshed: until then a window's last minutes are read from the packets, which costs
milliseconds."""


def serve(*, host: str = "", port: int = 0, page: bool = True) -> None:
    """Serve the API (/v1, /healthz, /metrics, /docs) and the built-in page (/).

    Parameters
    ----------
    host
        Address to listen on; default JISSHO_HTTP_HOST.
    port
        Port; default JISSHO_HTTP_PORT.
    page
        Whether to serve the page beside the API.

    """
    import uvicorn  # noqa: PLC0415 - commands load what they need

    from api.app import ApiSettings, create_app  # noqa: PLC0415
    from jissho.settings import Settings, database  # noqa: PLC0415

    settings = Settings()
    with database(settings, is_service=True) as url:
        api = ApiSettings(
            database_url=url,
            profile=settings.text("JISSHO_PROFILE") or None,
            page=page,
            parts_every_s=PARTS_EVERY_S,
        )
        app = create_app(api)
        uvicorn.run(
            app,
            host=host or settings.text("JISSHO_HTTP_HOST"),
            port=port or settings.port("JISSHO_HTTP_PORT"),
            log_level="warning",
            ws_max_size=1_000_000,
        )
