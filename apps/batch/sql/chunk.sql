-- Record a chunk in the transaction that writes it; the unique key refuses to do one twice.
-- Run by: the serving login. Parameters: job, number, seen, written, failed, skipped, errors.
INSERT INTO batch_chunk (job_id, number, seen, written, failed, skipped, errors)
VALUES (%(job)s, %(number)s, %(seen)s, %(written)s, %(failed)s, %(skipped)s, %(errors)s::jsonb)
