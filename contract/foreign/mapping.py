"""One message of a third party to rows of the contract's streams: all of them, or the reason why not.

A message is taken whole or not at all, so that trying it again after a correction of the profile never has to know
which part of it is in the database already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from contract.codec import PayloadError
from contract.envelope import MAX_BATCH_ROWS
from contract.foreign.paths import Scope, records
from contract.foreign.payloads import parse_payload
from contract.foreign.profile import ForeignProfile
from contract.foreign.rules import CompiledRule, Complaints, ForeignRow, compile_rule

_DETAIL_CHARACTERS = 1000
_MOST_COMPLAINTS = 20


class Mapped(NamedTuple):
    """What a message gives. `is_arrival`: it has no time of its own, and its rows got that of their arrival."""

    rows: tuple[ForeignRow, ...]
    is_arrival: bool
    complaints: tuple[PayloadError, ...] = ()


class ForeignMapping:
    """A profile made ready: turns messages into rows. Pure; one serves for any number of messages."""

    def __init__(self, profile: ForeignProfile) -> None:
        """Compile `profile`; raises ProfileError for units that do not convert."""
        self.profile = profile
        self.patterns = profile.patterns
        self.source = profile.source
        many = len(profile.rows) > 1
        self._rules = [
            compile_rule(profile, rule, f"rows[{i}]." if many else "") for i, rule in enumerate(profile.rows)
        ]

    def match(self, topic: str) -> dict[str, str] | None:
        """Return the captured levels of a topic that this profile takes, else None."""
        for pattern in self.patterns:
            if (found := pattern.match(topic)) is not None:
                return found
        return None

    def rows(self, topic: str, payload: bytes, received_at_us: int) -> Mapped:
        """Return the rows of one message. `received_at_us`: Unix microseconds.

        No rows: the profile passes such a message over. Raises PayloadError, whose reason is one of
        `contract.codec.QUARANTINE_REASONS`, whatever the payload is.
        """
        mapped = self.examine(topic, payload, received_at_us)
        if mapped.complaints:
            detail = "; ".join(dict.fromkeys(complaint.detail for complaint in mapped.complaints))
            raise PayloadError(mapped.complaints[0].reason, detail[:_DETAIL_CHARACTERS])
        return mapped

    def examine(self, topic: str, payload: bytes, received_at_us: int) -> Mapped:
        """Return the rows that are sound and up to twenty complaints about the others. Never raises."""
        captured = self.match(topic)
        if captured is None:
            error = PayloadError("nothing_mapped", f"profile {self.profile.name} does not take topic {topic!r}")
            return Mapped((), is_arrival=False, complaints=(error,))
        try:
            message = parse_payload(payload, self.profile)
        except PayloadError as error:
            return Mapped((), is_arrival=False, complaints=(error,))
        found: list[ForeignRow] = []
        complaints: Complaints = []
        by_arrival = 0
        for rule in self._rules:
            before = len(found)
            _apply(rule, message, captured, received_at_us, found, complaints)
            by_arrival += len(found) - before if rule.read_time is None else 0
        if not found and not complaints and not self.profile.ignore_unmapped:
            complaints.append(
                PayloadError(
                    "nothing_mapped",
                    f"no rule of profile {self.profile.name} makes a row of it: add one, or `ignore_unmapped = true`",
                )
            )
        return Mapped(tuple(found), bool(found) and by_arrival == len(found), tuple(complaints))


def _apply(  # noqa: PLR0917 - one private call
    rule: CompiledRule, message: Any, captured: Mapping[str, str], received_at_us: int,
    found: list[ForeignRow], complaints: Complaints,
) -> None:  # fmt: skip
    scopes: Sequence[Scope] = ()
    for path in rule.each:
        if (there := records(path, message, captured)) is not None:
            scopes = there
            break
    for scope in scopes:
        if len(complaints) >= _MOST_COMPLAINTS:
            return
        row = rule.row(scope, received_at_us, complaints)
        if row is None:
            continue
        if len(found) >= MAX_BATCH_ROWS:
            complaints.append(PayloadError("oversized", f"the message gives more than {MAX_BATCH_ROWS} rows"))
            return
        found.append(row)
