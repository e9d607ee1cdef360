"""Foreign devices: third parties' MQTT messages to rows of the contract's streams, by profiles in TOML."""

from contract.foreign.mapping import ForeignMapping, Mapped
from contract.foreign.payloads import message_digest
from contract.foreign.profile import (
    ForeignProfile,
    load_foreign_profile,
    parse_foreign_profile,
    shipped_foreign_profiles,
)
from contract.foreign.registry import ForeignMappings, load_foreign_mappings
from contract.foreign.rules import ForeignRow

__all__ = [
    "ForeignMapping",
    "ForeignMappings",
    "ForeignProfile",
    "ForeignRow",
    "Mapped",
    "load_foreign_mappings",
    "load_foreign_profile",
    "message_digest",
    "parse_foreign_profile",
    "shipped_foreign_profiles",
]
