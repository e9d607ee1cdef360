"""Packets in order of sending, made chunk by chunk of columns that come in order of time. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from analytics.probes import IntegerColumn, Ints, NotInOrderError, ProbeArrays, Values, probe_arrays


class PacketChunks:
    """Makes packets of consecutive columns of the probe stream.

    Sessions, whose numbers are chance, are numbered in order of their first packet, so that they follow each other
    however the run is cut. All rows of a packet carry its sending time, and so they come in one chunk.
    """

    def __init__(self) -> None:
        self._ranks: dict[int, int] = {}
        self._last = (-1, -1)

    def add(self, columns: Mapping[str, Values]) -> ProbeArrays:
        """Return the packets of the next columns, sorted by session and number.

        Raises NotInOrderError where a session goes on after the next one began, or its numbers fall.
        """
        session = IntegerColumn(self._ranked(columns["session"].values), columns["session"].valid)
        probes = probe_arrays({**columns, "session": session})
        if probes.n:
            if (int(probes.session[0]), int(probes.seq[0])) <= self._last:
                raise NotInOrderError("a session goes on after another began, or its numbers do not rise with time")
            self._last = (int(probes.session[-1]), int(probes.seq[-1]))
        return probes

    def _ranked(self, session: Ints) -> Ints:
        if not session.size:
            return session
        changes = np.flatnonzero(session[1:] != session[:-1]) + 1
        for number in session[np.concatenate([[0], changes])].tolist():
            self._ranks.setdefault(number, len(self._ranks))
        if not changes.size:
            return np.full(session.size, self._ranks[session[0].item()], np.int32)
        known, places = np.unique(session, return_inverse=True)
        return np.array([self._ranks[number] for number in known.tolist()], np.int32)[places]
