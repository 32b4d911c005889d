-- Notes a login. Values: id of the account.
UPDATE account SET last_login_at = now() WHERE id = %(id)s
