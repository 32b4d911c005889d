-- Purpose: since when a tier was to be polled, within a window that ends at a slot, and what became of its slots since then.
-- Polling was due from the tier's first slot on, and from the start of the first worker after the last orderly stop.
-- Columns: start, kept (slots with rows of any node), claimed (slots that a worker took), last (the latest slot that was kept)
WITH life AS (
    SELECT started_at, stopped_at FROM metrics_processrun WHERE name = %(worker)s ORDER BY started_at DESC LIMIT 50
), stopped AS (
    SELECT max(started_at) AS at FROM life
    WHERE stopped_at IS NOT NULL AND started_at < (SELECT max(started_at) FROM life)
), due AS (
    SELECT greatest(
        %(from)s,
        coalesce((SELECT min(at) FROM metrics_slot WHERE tier_id = %(tier)s), %(at)s),
        (SELECT min(started_at) FROM life, stopped WHERE stopped.at IS NULL OR started_at > stopped.at)
    ) AS start
)
SELECT due.start, polls.kept, (
    SELECT count(*) FROM metrics_slot AS s WHERE s.tier_id = %(tier)s AND s.at > due.start AND s.at < %(at)s
), polls.last
FROM due CROSS JOIN LATERAL (
    SELECT count(DISTINCT p.at) AS kept, max(p.at) AS last
    FROM metrics_node AS n JOIN metrics_poll AS p ON p.node_id = n.id
    WHERE n.tier_id = %(tier)s AND p.at > due.start AND p.at < %(at)s
) AS polls
