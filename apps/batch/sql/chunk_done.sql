-- What was counted when a chunk was done.
-- Run by: the serving login. Parameters: job, number.
-- Columns: seen, written, failed, skipped, errors.
SELECT seen, written, failed, skipped, errors::text FROM batch_chunk WHERE job_id = %(job)s AND number = %(number)s
