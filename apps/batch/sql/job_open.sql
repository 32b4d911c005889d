-- Begin a job.
-- Run by: the serving login. Parameters: name, actor, operation, target, exact, chunk, head, total (null when not known).
-- Columns: id.
INSERT INTO batch_job (name, actor, operation, target, exact, chunk, head, total, state, seen, written, failed, skipped, undone, retried,
                       through, beyond, missing, errors, errors_total, last_error, circuit, seconds, started_at, noted_at, cancel_asked_by)
VALUES (%(name)s, %(actor)s, %(operation)s, %(target)s, %(exact)s, %(chunk)s, %(head)s, %(total)s, 'running', 0, 0, 0, 0, 0, 0,
        0, '[]', '{}', '[]', 0, '', 'closed', 0, now(), now(), '')
RETURNING id
