-- Purpose: what happened to a tier within a range: entries of the ledger of the kinds that are marked, alerts of some checks opened and closed.
--   Of more than are wanted, the kinds that come first stay, then the newest.
-- Parameters: tier's slug, kinds, from, to, tier's id, checks, from, to, from, to, kinds that come first, most.
-- Columns: at, kind (of the entry; alert.open, alert.close), state (of an alert), of (check), node, object, actor, body (of an entry).
SELECT at, kind, state, of, node, object, actor, body
FROM (
    SELECT at, kind, '' AS state, '' AS of, '' AS node, '' AS object, actor, body
    FROM ledger_entry
    WHERE tier = %s AND kind = ANY(%s) AND at >= %s AND at < %s
    UNION ALL
    SELECT moment.at, moment.kind, a.state, a.check_id, coalesce(n.name, ''), a.object, '', NULL
    FROM metrics_alert AS a
    LEFT JOIN metrics_node AS n ON n.id = a.node_id
    CROSS JOIN LATERAL (VALUES (a.opened_at, 'alert.open'), (a.closed_at, 'alert.close')) AS moment (at, kind)
    WHERE a.tier_id = %s AND a.check_id = ANY(%s) AND moment.at >= %s AND moment.at < %s
        AND (a.closed_at IS NULL OR a.closed_at >= %s) AND a.opened_at < %s
) AS happened
ORDER BY kind = ANY(%s) DESC, at DESC
LIMIT %s
