"""The foreign profiles that a server uses, ready to map: which of them takes a topic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contract.foreign.mapping import ForeignMapping
from contract.foreign.profile import load_foreign_profile
from contract.recording import ProfileError


class ForeignMappings:
    """Profiles, no two of which take the same topic. Empty, it takes none."""

    def __init__(self, mappings: Sequence[ForeignMapping] = ()) -> None:
        """Keep `mappings`; raises ProfileError where a message would be read twice."""
        self.mappings = tuple(mappings)
        for index, one in enumerate(self.mappings):
            for other in self.mappings[:index]:
                for mine in one.patterns:
                    for theirs in other.patterns:
                        if mine.overlaps(theirs):
                            raise ProfileError(
                                f"foreign profiles {other.profile.name} ({theirs.text}) and {one.profile.name} "
                                f"({mine.text}) take the same topics: put their rows into one profile"
                            )

    def __bool__(self) -> bool:
        """Return whether there is any profile."""
        return bool(self.mappings)

    @property
    def subscriptions(self) -> list[str]:
        """The MQTT topic filters of all profiles, each once."""
        return list(dict.fromkeys(pattern.subscription for each in self.mappings for pattern in each.patterns))

    def of(self, topic: str) -> ForeignMapping | None:
        """Return the mapping that takes `topic`, or None."""
        return next((mapping for mapping in self.mappings if mapping.match(topic) is not None), None)


def load_foreign_mappings(names: str) -> ForeignMappings:
    """Load the profiles of a list with commas, shipped names or paths; raises ProfileError."""
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    return ForeignMappings([ForeignMapping(load_foreign_profile(_place(name))) for name in dict.fromkeys(chosen)])


def _place(name: str) -> str:
    return str(Path(name).expanduser()) if name.startswith("~") else name
