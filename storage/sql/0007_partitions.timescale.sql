-- Rendered by `make docs`. TimescaleDB makes chunks by itself: the functions of plain PostgreSQL, with nothing to do.

CREATE FUNCTION jissho_cover(stream_name text, at timestamptz) RETURNS tstzrange
LANGUAGE sql IMMUTABLE RETURN tstzrange(NULL, NULL);
CREATE FUNCTION jissho_make_partitions(until timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE RETURN 0;
