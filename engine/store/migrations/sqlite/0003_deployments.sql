-- What the hub was told to run, and when. `goes_to`: the earlier deployment of a roll-back. `result` is NULL while it is under way.
CREATE TABLE deployment (
    number   INTEGER PRIMARY KEY,
    at_us    INTEGER NOT NULL,
    who      TEXT NOT NULL,
    why      TEXT NOT NULL,
    node     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    goes_to  INTEGER,
    ended_us INTEGER,
    result   TEXT,
    reason   TEXT
);

-- The texts of files, each once, whichever deployments have it.
CREATE TABLE deployed_text (
    id     INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    body   BLOB NOT NULL
);

CREATE TABLE deployed_file (
    deployment INTEGER NOT NULL,
    path       TEXT NOT NULL,
    text       INTEGER NOT NULL,
    PRIMARY KEY (deployment, path)
) WITHOUT ROWID;
