-- pg_stat_statements: forget the statements of the database postgres. Those of the application are in another one, and stay.
-- Run by: a superuser in the database postgres, to heal a fault of the lab.

SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database();
