-- The search rows of resources that are contained in others, by the container and their place in it. They are looked through type by type.
CREATE TABLE contained (
    rid  INTEGER NOT NULL,
    nth  INTEGER NOT NULL,
    type INTEGER NOT NULL,
    id   TEXT NOT NULL,
    rows TEXT NOT NULL,
    more TEXT,
    PRIMARY KEY (rid, nth)
) WITHOUT ROWID;
CREATE INDEX contained_type ON contained (type, rid, nth);
