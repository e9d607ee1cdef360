"""A place in a group of ingest processes: a name that a process has to itself, and that its successor gets.

The broker keeps what it could not deliver under the client's name. A member that comes back must therefore come under
the name it had, and no two may have the same, or the broker would disconnect one for the other.
"""

from __future__ import annotations

import errno
import socket
import sys

_MOST_PLACES = 64


class Membership:
    """The lowest free place of this machine in a group, held until the process ends, however it ends.

    A socket in Linux's abstract name space holds it: unlike a lock file it is seen by services that have a /tmp each,
    and two containers that share a host name by sharing its network share these names too.
    """

    def __init__(self, group: str) -> None:
        """Take a place. Raises RuntimeError when there are too many processes, or this is not Linux."""
        if sys.platform != "linux":
            raise RuntimeError("foreign devices and JISSHO_MQTT_SHARE together need Linux: run one process, unset it")
        for place in range(_MOST_PLACES):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                self._socket.bind(f"\0jissho-ingest-{group}-{place}")
            except OSError as error:
                self._socket.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            self.name = f"{group}-{socket.gethostname()}-{place}"
            return
        raise RuntimeError(f"{_MOST_PLACES} ingest processes of the group {group!r} run here already: stop some")

    def leave(self) -> None:
        """Give the place up."""
        self._socket.close()
