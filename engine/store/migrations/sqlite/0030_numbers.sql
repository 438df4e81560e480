-- Searches for numbers and quantities. A number stands as its place in the order of all numbers, `high` exclusive; `long` keeps what is
-- wider than one number apart, as `idx_date` does. `unit` is 0 for the number as it is written, else a hash of what it counts: then the
-- number is that of the unit's base units.
CREATE TABLE idx_number (
    param INTEGER NOT NULL,
    unit  INTEGER NOT NULL,
    long  INTEGER NOT NULL,
    low   INTEGER NOT NULL,
    rid   INTEGER NOT NULL,
    high  INTEGER NOT NULL,
    PRIMARY KEY (param, unit, long, low, rid, high)
) WITHOUT ROWID;

-- Search rows as `rows` has them, of the kinds that came with this version: a program of before does not read them.
-- {"n12": [[low, high], ...], "q12": [[low, high, unit], ...], "u12": [[low, high, name], ...]}; NULL: none.
ALTER TABLE resource ADD COLUMN more TEXT;
-- `version * 256 + 1` where the search rows are those this version of the program makes. A program of before leaves it as it is, so that
-- what it writes is known to want indexing anew.
ALTER TABLE resource ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX resource_stale ON resource (type) WHERE indexed <> version * 256 + 1;
