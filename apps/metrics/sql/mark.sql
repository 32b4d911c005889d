-- Purpose: one number that changes with every write to what a tier's pages are drawn from: answers, verdicts, nodes and their status,
-- thresholds that somebody set.
-- A row's version is its place and the transaction that wrote it; both are in the row's header, so no document is read.
SELECT
    (SELECT coalesce(sum(hashtext(ctid::text || xmin::text)), 0) FROM metrics_latestanswer WHERE tier_id = %(tier)s)
    + (SELECT coalesce(sum(hashtext(ctid::text || xmin::text)), 0) FROM metrics_standing WHERE tier_id = %(tier)s) * 3
    + (SELECT coalesce(sum(hashtext(n.ctid::text || n.xmin::text || coalesce(s.ctid::text || s.xmin::text, ''))), 0)
        FROM metrics_node AS n LEFT JOIN metrics_nodestatus AS s ON s.node_id = n.id WHERE n.tier_id = %(tier)s) * 7
    + (SELECT coalesce(sum(hashtext(ctid::text || xmin::text)), 0) FROM metrics_threshold WHERE tier_id = %(tier)s) * 11
