-- The search rows of resources that are contained in others, by the container and their place in it. They are looked through type by type.
CREATE TABLE contained (
    rid  BIGINT NOT NULL,
    nth  BIGINT NOT NULL,
    type BIGINT NOT NULL,
    id   TEXT COLLATE "C" NOT NULL,
    rows JSONB NOT NULL,
    more JSONB,
    PRIMARY KEY (rid, nth)
);
CREATE INDEX contained_type ON contained (type, rid, nth);
