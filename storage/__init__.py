"""Where samples come to rest: migrations, the exactly-once writer, the columnar reader, the embedded server."""
