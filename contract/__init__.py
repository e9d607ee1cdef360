"""What collectors and the server agree on: topics, the batch envelope, the table of streams, codecs.

Imports nothing of ours and nothing heavier than msgspec, since it runs on vehicle computers.
"""
