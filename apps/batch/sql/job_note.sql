-- Bring a job's row up to date and forget the chunks that it now tells of.
-- Run by: the serving login. Parameters: id, state, the counts, through, beyond, missing, told (chunks that it tells of), errors (null
-- where unchanged), errors_total, last_error, circuit, seconds.
-- Columns: cancelled, whether somebody asked for it.
WITH told AS (
    DELETE FROM batch_chunk WHERE job_id = %(id)s AND number = ANY(%(told)s)
)
UPDATE batch_job
SET state = %(state)s, seen = %(seen)s, written = %(written)s, failed = %(failed)s, skipped = %(skipped)s,
    undone = %(undone)s, retried = %(retried)s,
    through = %(through)s, beyond = %(beyond)s::jsonb, missing = %(missing)s::jsonb,
    errors = coalesce(%(errors)s::jsonb, errors), errors_total = %(errors_total)s,
    last_error = %(last_error)s, circuit = %(circuit)s, seconds = %(seconds)s, noted_at = now(),
    ended_at = CASE WHEN %(state)s = 'running' THEN NULL ELSE now() END
WHERE id = %(id)s
RETURNING cancel_asked_at IS NOT NULL AS cancelled
