-- The server's own search parameters. One row, once there was a SearchParameter resource: `changes` counts what was written to those,
-- `seen` is how many of these the set was made after, `generation` grows with every set that is another, and `definitions` is what is in
-- force: [{"since": generation, "definition": {...}}, ...].
CREATE TABLE parameter_set (
    one         INTEGER PRIMARY KEY,
    changes     INTEGER NOT NULL,
    seen        INTEGER NOT NULL,
    generation  INTEGER NOT NULL,
    definitions TEXT NOT NULL
);

-- Types whose parameters have changed: the generation that did it last, the last one that all resources are indexed by, and the id up to
-- which the walk that indexes them has come.
CREATE TABLE parameter_type (
    type       INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    whole      INTEGER NOT NULL,
    place      TEXT NOT NULL
);
