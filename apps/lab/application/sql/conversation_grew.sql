-- The conversation after a message. Values: conversation_id.
UPDATE conversation SET message_count = message_count + 1, last_message_at = now(), state = 'open'
WHERE id = %(conversation_id)s
