"""What the API has to know to start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Settings of `api.app.create_app`.

    `profile` names the requirement profile that verdicts are made with unless a request asks for another; `page` says
    whether the built-in page is mounted at /. `database_wait_s` is how long a request waits for a connection before it
    answers 503: load balancers commonly give up after 5 s, and a 503 with its reason should come first.
    Raw series of more than `workbook_rows` rows in all stay out of a workbook that does not ask for them: at 25,000
    probe rows a second, 200,000 take 8 s, and a browser's user does not wait for a minute.
    Partial results are refreshed every `parts_every_s` seconds; 0 leaves that to another process.
    """

    database_url: str
    profile: str | None = None
    page: bool = False
    pool_size: int = 8
    database_wait_s: float = 3.0
    workbook_rows: int = 200_000
    parts_every_s: float = 0.0
