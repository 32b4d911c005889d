-- Purpose: the newest sample of every series of a watched node or tier, and how the nodes answered, for those who scrape the portal.
-- Privilege: SELECT on the portal's own tables. Samples older than ten minutes are left out: a scrape tells what is, not what was.
-- Columns: tier, node (empty: the tier's own), kind and role of the node, metric, object, value, at
SELECT t.slug AS tier, coalesce(n.name, '') AS node, coalesce(n.kind, '') AS kind, coalesce(n.role, '') AS role, s.metric, s.object, p.value, p.at
FROM metrics_series s
JOIN metrics_tier t ON t.id = s.tier_id
LEFT JOIN metrics_node n ON n.id = s.node_id
CROSS JOIN LATERAL (
    SELECT known.value, known.at
    FROM (
        (SELECT value, at FROM metrics_sample WHERE series_id = s.id AND at > now() - interval '10 minutes' ORDER BY at DESC LIMIT 1)
        UNION ALL
        SELECT value, at FROM metrics_newest WHERE series_id = s.id AND at > now() - interval '10 minutes'
    ) AS known
    ORDER BY known.at DESC LIMIT 1
) p
WHERE n.removed_at IS NULL AND p.value IS NOT NULL
ORDER BY s.metric, t.slug, node, s.object
