-- Purpose: one number that changes with every write to what a tier's pages are drawn from: answers, verdicts, open alerts, nodes
-- and their status, thresholds that somebody set.
-- A row's version is its place and the transaction that wrote it; both are in the row's header, so no document is read.
SELECT
    (SELECT coalesce(sum(hashtid(ctid)::bigint # xmin::text::bigint), 0) FROM metrics_latestanswer WHERE tier_id = %(tier)s)
    + (SELECT coalesce(sum(hashtid(ctid)::bigint # xmin::text::bigint), 0) FROM metrics_standing WHERE tier_id = %(tier)s) * 3
    + (SELECT coalesce(sum(hashtid(n.ctid)::bigint # n.xmin::text::bigint
                           + coalesce(hashtid(s.ctid)::bigint # s.xmin::text::bigint, 0) * 5), 0)
        FROM metrics_node AS n LEFT JOIN metrics_nodestatus AS s ON s.node_id = n.id WHERE n.tier_id = %(tier)s) * 7
    + (SELECT coalesce(sum(hashtid(ctid)::bigint # xmin::text::bigint), 0) FROM metrics_alert
        WHERE tier_id = %(tier)s AND closed_at IS NULL) * 11
    + (SELECT coalesce(sum(hashtid(ctid)::bigint # xmin::text::bigint), 0) FROM metrics_threshold WHERE tier_id = %(tier)s) * 13
