"""One module a sub-command; each loads only what it needs."""
