-- The 30-day query: a client's newest messages. Values: api_key_id, days.
SELECT id, conversation_id, channel, status, left(body, 80) AS body, created_at
FROM {messages}
WHERE api_key_id = %(api_key_id)s AND created_at >= now() - make_interval(days => %(days)s)
ORDER BY created_at DESC
LIMIT 50
