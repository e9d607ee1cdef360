"""The on-site agent: sources measure, the outbox keeps, the publisher sends and deletes only what was committed."""
