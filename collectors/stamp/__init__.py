"""Source `stamp`: per-packet delay and directional loss (RFC 8762), and the reflector at the far end."""
