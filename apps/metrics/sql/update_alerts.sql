-- Purpose: bring open alerts up to date, all of a poll in one statement.
-- Columns: state, value, threshold, cause_id and mute_id as they are now; announced: the state that was told, empty while nobody was.
UPDATE metrics_alert AS alert SET
    updated_at = %s, state = said.state, value = said.value, threshold = said.threshold,
    cause_id = said.cause_id, mute_id = said.mute_id, announced = said.announced
FROM unnest(
    %s::bigint[], %s::text[], %s::float8[], %s::float8[], %s::bigint[], %s::bigint[], %s::text[]
) AS said(id, state, value, threshold, cause_id, mute_id, announced)
WHERE alert.id = said.id
