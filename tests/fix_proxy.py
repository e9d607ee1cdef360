"""A TCP proxy that breaks on command: cuts, stalls, goes silent or slow, between two programs that do not know it."""

import contextlib
import selectors
import socket
import threading
import time

_CHUNK = 16_384


class Proxy:
    """Forwards TCP from a port of its own to a target, on a thread of its own.

    `stall()` keeps connections and forwards nothing; `drop_silently()` reads and throws away, as a dead path does (half
    open); `throttle(bytes_per_s)` is a slow link; `cut()` closes every connection; `heal()` ends all of it.
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self._target = (target_host, target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._peers: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._mode = "pass"
        self._bytes_per_s = 0.0
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name="jissho-proxy", daemon=True)
        self._thread.start()

    def stall(self) -> None:
        """Forward nothing; what is sent waits in the kernel's buffers."""
        self._mode = "stall"

    def drop_silently(self) -> None:
        """Take what is sent and throw it away: neither end is told."""
        self._mode = "drop"

    def throttle(self, bytes_per_s: float) -> None:
        """Forward at most so many bytes a second, both ways together."""
        self._bytes_per_s, self._mode = bytes_per_s, "throttle"

    def heal(self, *, forget: bool = False) -> None:
        """Forward as before; `forget`: connections that lost bytes are closed, as they could not go on."""
        self._mode = "pass"
        if forget:
            self.cut()

    def cut(self) -> None:
        """Close every connection."""
        with self._lock:
            for one in list(self._peers):
                self._close(one)

    def close(self) -> None:
        """End the proxy."""
        self._is_open = False
        self._thread.join(5)
        self.cut()
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        while self._is_open:
            if self._mode == "stall":
                time.sleep(0.02)
                continue
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj in self._peers:
                        self._forward(key.fileobj)  # type: ignore[arg-type]

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._target, timeout=2)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            one.settimeout(5)
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, one: socket.socket) -> None:
        try:
            data = one.recv(_CHUNK)
            if not data:
                self._close(one)
            elif self._mode != "drop":
                self._peers[one].sendall(data)
                if self._mode == "throttle":
                    time.sleep(len(data) / self._bytes_per_s)
        except OSError:
            self._close(one)

    def _close(self, one: socket.socket) -> None:
        other = self._peers.pop(one, None)
        for end in (one, other):
            if end is None:
                continue
            self._peers.pop(end, None)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(end)
            with contextlib.suppress(OSError):
                end.close()
