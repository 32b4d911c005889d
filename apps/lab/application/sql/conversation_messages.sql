-- One page of a conversation, newest first. Values: conversation_id, api_key_id, before, limit.
SELECT id, sender_id, direction, body, status, created_at, delivered_at, read_at
FROM {messages}
WHERE conversation_id = %(conversation_id)s AND api_key_id = %(api_key_id)s AND created_at < %(before)s
ORDER BY created_at DESC
LIMIT %(limit)s
