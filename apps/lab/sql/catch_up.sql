-- Carries rows that were written or changed since a moment from one table of messages to its twin, either way round.
-- Run by: the owner. Parameters: the identifiers source, target and key, and the assignments of every other column;
-- since, a timestamptz.
INSERT INTO {target} SELECT * FROM {source} WHERE updated_at >= %(since)s
ON CONFLICT ({key}) DO UPDATE SET {assignments}
WHERE {target}.updated_at < excluded.updated_at
