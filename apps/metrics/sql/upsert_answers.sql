-- Purpose: replace the latest answer of each probe on each node; a failure keeps the rows it had.
INSERT INTO metrics_latestanswer AS mine (tier_id, node_id, probe, at, question, rows, failure, message)
SELECT %s, node_id, probe, at, question, rows::jsonb, failure, message
FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS said(node_id, probe, at, question, rows, failure, message)
ON CONFLICT (tier_id, probe, node_id) DO UPDATE SET
    at = CASE WHEN excluded.failure = '' THEN excluded.at ELSE mine.at END,
    rows = CASE WHEN excluded.failure = '' THEN excluded.rows ELSE mine.rows END,
    question = excluded.question, failure = excluded.failure, message = excluded.message
