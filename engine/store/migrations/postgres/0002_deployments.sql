-- What the hub was told to run, and when: the tables of SQLite (migrations/sqlite/0003_deployments.sql).
CREATE TABLE deployment (
    number   BIGINT PRIMARY KEY,
    at_us    BIGINT NOT NULL,
    who      TEXT   NOT NULL,
    why      TEXT   NOT NULL,
    node     TEXT   NOT NULL,
    kind     TEXT   NOT NULL,
    goes_to  BIGINT,
    ended_us BIGINT,
    result   TEXT,
    reason   TEXT
);

CREATE TABLE deployed_text (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256 BYTEA  NOT NULL UNIQUE,
    body   BYTEA  NOT NULL
);

CREATE TABLE deployed_file (
    deployment BIGINT NOT NULL,
    path       TEXT COLLATE "C" NOT NULL,
    text       BIGINT NOT NULL,
    PRIMARY KEY (deployment, path)
);
