"""What can go wrong with the database, in words that name the remedy."""

from __future__ import annotations


class StorageError(RuntimeError):
    """Raised when the database cannot be used as it is; the message says what to do."""


class UnreachableError(StorageError):
    """Raised when no connection to the database can be had."""


class NoDataError(StorageError):
    """Raised when what was asked for was not measured."""
