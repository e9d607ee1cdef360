"""Source `host`: health of the measuring computer and of its outbox."""
