-- A client's messages that contain a text. Values: api_key_id, days, pattern.
SELECT id, conversation_id, body, created_at
FROM {messages}
WHERE api_key_id = %(api_key_id)s AND created_at >= now() - make_interval(days => %(days)s) AND body ILIKE %(pattern)s
ORDER BY created_at DESC
LIMIT 20
