-- Takes waiting work, which nobody else then gets. Values: limit. The key's range prunes old partitions.
UPDATE message_queue SET state = 'done', attempts = attempts + 1, done_at = now()
WHERE (id, created_at) IN (
    SELECT id, created_at FROM message_queue
    WHERE state = 'waiting' AND created_at >= now() - interval '2 days'
    ORDER BY created_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
AND created_at >= now() - interval '2 days'
RETURNING conversation_message_id, message_created_at
