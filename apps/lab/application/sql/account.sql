-- A person who logs in, with the client they belong to. Values: email.
SELECT account.id, account.password_hash, api_key.id AS api_key_id, api_key.key_id, api_key.tier
FROM account JOIN api_key ON api_key.id = account.api_key_id
WHERE account.email = %(email)s AND api_key.active
