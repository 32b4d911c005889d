-- A client's newest conversations. Values: api_key_id, limit.
SELECT id, subject, channel, state, message_count, last_message_at
FROM conversation
WHERE api_key_id = %(api_key_id)s AND last_message_at IS NOT NULL
ORDER BY last_message_at DESC
LIMIT %(limit)s
