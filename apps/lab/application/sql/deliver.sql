-- Marks messages delivered. Values: ids; first and last of their created_at, the partition key.
UPDATE {messages} SET status = 'delivered', delivered_at = now(), updated_at = now()
WHERE id = ANY(%(ids)s) AND created_at BETWEEN %(first)s AND %(last)s
RETURNING conversation_id, api_key_id
