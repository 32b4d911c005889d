-- Whether a conversation is the client's. Values: conversation_id, api_key_id.
SELECT id, channel FROM conversation WHERE id = %(conversation_id)s AND api_key_id = %(api_key_id)s
