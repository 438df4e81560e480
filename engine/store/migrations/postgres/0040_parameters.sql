-- The server's own search parameters: see migrations/sqlite, which says what each column is for.
CREATE TABLE parameter_set (
    one         BIGINT PRIMARY KEY,
    changes     BIGINT NOT NULL,
    seen        BIGINT NOT NULL,
    generation  BIGINT NOT NULL,
    definitions TEXT NOT NULL
);

CREATE TABLE parameter_type (
    type       BIGINT PRIMARY KEY,
    generation BIGINT NOT NULL,
    whole      BIGINT NOT NULL,
    place      TEXT NOT NULL
);

-- The generation of the set that all a node writes from now on is indexed by. One of an earlier version knows none: nothing is taken for
-- whole before it has gone.
ALTER TABLE node ADD COLUMN parameters BIGINT NOT NULL DEFAULT 0;
