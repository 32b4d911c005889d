-- Purpose: replace the newest sample of each series, where samples themselves are kept in another store of history.
INSERT INTO metrics_newest (at, series_id, value)
SELECT %s, series_id, value FROM unnest(%s::bigint[], %s::float8[]) AS said(series_id, value)
ON CONFLICT (series_id) DO UPDATE SET at = excluded.at, value = excluded.value WHERE metrics_newest.at <= excluded.at
