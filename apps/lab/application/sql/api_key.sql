-- Whose key this is. Values: digest, SHA-256 of the key.
SELECT id, key_id, tier FROM api_key WHERE key_hash = %(digest)s AND active
