-- Purpose: replace the present verdict of each check on each node and object.
INSERT INTO metrics_standing (tier_id, node_id, check_id, object, state, value, at, since, failing_since)
SELECT %s, node_id, check_id, object, state, value, at, since, failing_since
FROM unnest(
    %s::bigint[], %s::text[], %s::text[], %s::text[], %s::float8[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[]
) AS said(node_id, check_id, object, state, value, at, since, failing_since)
ON CONFLICT (tier_id, check_id, node_id, object) DO UPDATE SET
    state = excluded.state, value = excluded.value, at = excluded.at, since = excluded.since,
    failing_since = excluded.failing_since
