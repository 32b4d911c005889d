-- Take a job up again: what it had settled, with the chunks that were committed since its row was last written.
-- Run by: the serving login, holding the job's advisory lock. Parameter: id.
-- Columns: operation, target, chunk, head, exact; seen (without what is undone), written, failed, skipped, retried; through, beyond, missing; errors, errors_total;
-- seconds; chunks, an array of [number, seen, written, failed, skipped, errors].
UPDATE batch_job AS j
SET state = 'running', noted_at = now(), ended_at = NULL, cancel_asked_at = NULL, cancel_asked_by = ''
WHERE j.id = %(id)s
RETURNING operation, target, chunk, head, exact, seen - undone, written, failed, skipped, retried, through, beyond::text, missing::text,
    errors::text, errors_total, seconds,
    (SELECT coalesce(json_agg(json_build_array(c.number, c.seen, c.written, c.failed, c.skipped, c.errors) ORDER BY c.number), '[]')::text
     FROM batch_chunk c WHERE c.job_id = j.id) AS chunks
