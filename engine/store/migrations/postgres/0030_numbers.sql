-- Searches for numbers and quantities: see migrations/sqlite, which says what each column is for.
CREATE TABLE idx_number (
    param BIGINT NOT NULL,
    unit  BIGINT NOT NULL,
    long  BIGINT NOT NULL,
    low   BIGINT NOT NULL,
    rid   BIGINT NOT NULL,
    high  BIGINT NOT NULL,
    PRIMARY KEY (param, unit, long, low, rid, high)
);

ALTER TABLE resource ADD COLUMN more JSONB;
ALTER TABLE resource ADD COLUMN indexed BIGINT NOT NULL DEFAULT 0;
CREATE INDEX resource_stale ON resource (type) WHERE indexed <> version * 256 + 1;
