-- Purpose: how this poll found each node; since moves only when a node went up or down, and one that is down keeps who it was.
-- A node that was left alone (up is NULL) is as it was.
-- Columns: node_id, role before and role now of nodes that answered in another role than before.
WITH said AS MATERIALIZED (
    SELECT %s::timestamptz AS slot, found.* FROM unnest(
        %s::bigint[], %s::bool[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::float8[], %s::float8[]
    ) AS found(node_id, up, failure, message, role, version, identity, clock_offset_seconds, duration_seconds)
), written AS (
    INSERT INTO metrics_nodestatus (
        node_id, slot, up, since, failure, message, role, version, identity, clock_offset_seconds, duration_seconds
    )
    SELECT
        said.node_id, said.slot, coalesce(said.up, before.up, true),
        CASE WHEN before.up = coalesce(said.up, before.up) THEN before.since ELSE said.slot END,
        said.failure, said.message,
        coalesce(said.role, before.role, ''), coalesce(said.version, before.version, ''), coalesce(said.identity, before.identity, ''),
        CASE WHEN said.up IS NULL THEN before.clock_offset_seconds ELSE said.clock_offset_seconds END,
        CASE WHEN said.up IS NULL THEN coalesce(before.duration_seconds, 0) ELSE said.duration_seconds END
    FROM said
    LEFT JOIN metrics_nodestatus AS before ON before.node_id = said.node_id
    ON CONFLICT (node_id) DO UPDATE SET
        slot = excluded.slot, up = excluded.up, since = excluded.since, failure = excluded.failure, message = excluded.message,
        role = excluded.role, version = excluded.version, identity = excluded.identity,
        clock_offset_seconds = excluded.clock_offset_seconds, duration_seconds = excluded.duration_seconds
)
SELECT said.node_id, before.role, said.role
FROM said
JOIN metrics_nodestatus AS before ON before.node_id = said.node_id
WHERE said.role <> '' AND before.role <> '' AND said.role <> before.role
