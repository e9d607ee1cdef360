"""`jissho serve`: the API and the evaluator's page."""

from __future__ import annotations


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
        app = create_app(ApiSettings(database_url=url, profile=settings.text("JISSHO_PROFILE") or None, page=page))
        uvicorn.run(
            app,
            host=host or settings.text("JISSHO_HTTP_HOST"),
            port=port or settings.port("JISSHO_HTTP_PORT"),
            log_level="warning",
            ws_max_size=1_000_000,
        )
