-- Record chunks in the transaction that writes them; the unique key refuses to do one twice. What was counted of all stands with the first.
-- Run by: the serving login. Parameters: job, numbers (the first one first), seen, written, failed, skipped, errors.
INSERT INTO batch_chunk (job_id, number, seen, written, failed, skipped, errors)
SELECT %(job)s, number, of.seen, of.written, of.failed, of.skipped, of.errors
FROM unnest(%(numbers)s::int8[]) WITH ORDINALITY AS n (number, place)
CROSS JOIN LATERAL (VALUES
    (true, %(seen)s::int8, %(written)s::int8, %(failed)s::int8, %(skipped)s::int8, %(errors)s::jsonb),
    (false, 0, 0, 0, 0, '[]')
) AS of (is_first, seen, written, failed, skipped, errors)
WHERE of.is_first = (n.place = 1)
