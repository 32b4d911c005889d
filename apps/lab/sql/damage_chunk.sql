-- Purpose: change one byte of a chunk of history, as a disk does, or change it back: what is there must be %(before)s.
-- Run by: a superuser, in the portal's database. Parameters: series, start, before and after, the chunk's bytes.
UPDATE metrics_chunk_raw SET packed = %(after)s WHERE series_id = %(series)s AND start = %(start)s AND packed = %(before)s
