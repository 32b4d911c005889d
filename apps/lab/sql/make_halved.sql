-- lab_halved: a partitioned table of the lab's own with two partitions, analysed, so that only what follows is wrong with it.
-- Run by: a superuser, as a fault of the lab; dropping it heals it.

CREATE TABLE lab_halved (half integer NOT NULL) PARTITION BY LIST (half);
CREATE TABLE lab_halved_1 PARTITION OF lab_halved FOR VALUES IN (1);
CREATE TABLE lab_halved_2 PARTITION OF lab_halved FOR VALUES IN (2);
INSERT INTO lab_halved VALUES (1), (2);
ANALYZE lab_halved;
