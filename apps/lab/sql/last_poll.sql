-- The portal's store: the latest poll that was kept.
-- Run by: a superuser, as a fault of the lab.
SELECT max(slot) FROM metrics_nodestatus
