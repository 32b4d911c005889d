-- A message of a conversation. Values: conversation_id, api_key_id, sender_id, channel, body.
INSERT INTO {messages} (conversation_id, api_key_id, sender_id, direction, channel, body, status, cost_micros, sent_at)
VALUES (%(conversation_id)s, %(api_key_id)s, %(sender_id)s, 'outbound', %(channel)s, %(body)s, 'sent', 400, now())
RETURNING id, created_at, status
