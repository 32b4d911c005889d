"""People, the roles they hold on which tiers, and what each role may do.

`policy` is the one table of permissions and the decorators that routes declare; `middleware` enforces them; `grants` is
the only code that changes roles, each change an entry of the ledger; `recent` asks for the password again.
"""
