"""Source `stamp`: session-sender of RFC 8762, and the session-reflector that `jissho reflect` runs."""
