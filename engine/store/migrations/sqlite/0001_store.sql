-- The store of one hub. Tables are narrow, keys are integers, and every index is there for a question that is asked.

-- Interned words: channels, destinations, key names, resource types, search parameters. Their numbers never change.
CREATE TABLE word (
    number INTEGER PRIMARY KEY,
    text   TEXT NOT NULL UNIQUE
);

-- Messages. `seq` is the order of arrival. States: 0 received, 1 committed, 2 filtered, 3 quarantined.
CREATE TABLE message (
    seq           INTEGER PRIMARY KEY,
    id            BLOB    NOT NULL,
    channel       INTEGER NOT NULL,
    state         INTEGER NOT NULL,
    received_us   INTEGER NOT NULL,
    ended_us      INTEGER,
    size          INTEGER NOT NULL,
    reused        INTEGER NOT NULL,
    replays       INTEGER NOT NULL,
    digest        BLOB    NOT NULL,
    dedupe        TEXT    NOT NULL,
    message_type  TEXT,
    control_id    TEXT,
    sender        TEXT,
    correlation   TEXT    NOT NULL,
    peer_address  TEXT,
    peer_identity TEXT
);
CREATE UNIQUE INDEX message_id ON message (id);
-- Newest first of a channel and state, and retention: walks of one index.
CREATE INDEX message_state ON message (channel, state, received_us);
-- What is unfinished, in the order of arrival whatever the clock did. Small: only open messages stand in it.
CREATE INDEX message_open ON message (channel) WHERE state = 0;
-- The text and not a hash of it: control ids mostly ascend, so neighbours in time are neighbours in the tree and a batch
-- writes few pages.
CREATE INDEX message_dedupe ON message (channel, dedupe, digest);
CREATE INDEX message_type ON message (message_type, received_us);
CREATE INDEX message_control ON message (control_id, received_us) WHERE control_id IS NOT NULL;

CREATE TABLE message_body (
    seq  INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

-- What is known of a message once it has ended. `keys`, `notes` and `wrote` are JSON.
CREATE TABLE message_trace (
    seq    INTEGER PRIMARY KEY,
    step   TEXT,
    place  TEXT,
    rule   TEXT,
    reason TEXT,
    keys   TEXT,
    notes  TEXT,
    wrote  TEXT
);

CREATE TABLE message_key (
    value TEXT    NOT NULL,
    name  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (value, name, seq)
) WITHOUT ROWID;

-- Counters, changed in the transaction that changes what they count. `kind`: 0 messages by channel, 1 parcels by destination.
CREATE TABLE tally (
    kind  INTEGER NOT NULL,
    word  INTEGER NOT NULL,
    state INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, word, state)
) WITHOUT ROWID;

-- Current versions. `rows` is what stands in the search tables for this resource, as JSON:
-- {"t12": [[code, system], ...], "s13": [[normal, exact], ...], "r14": [[id, type], ...], "d15": [[low, high], ...]},
-- sorted. It is the truth of what must be deleted on a change, and what sorting and rare comparisons read, so that the
-- search tables need no second tree by resource.
CREATE TABLE resource (
    rid        INTEGER PRIMARY KEY,
    type       INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    digest     BLOB,
    rows       TEXT    NOT NULL,
    body       BLOB    NOT NULL
);
CREATE UNIQUE INDEX resource_id ON resource (type, id);
CREATE INDEX resource_updated ON resource (type, updated_us) WHERE deleted = 0;

-- Superseded versions only: the current one is not stored twice.
CREATE TABLE history (
    rid        INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    body       BLOB    NOT NULL,
    PRIMARY KEY (rid, version)
) WITHOUT ROWID;

-- Search rows. The resource stands before the last column, so that one tree answers both "which resources have this
-- value" and "has this resource this value". `system` is a hash of the system's URI (0: none).
CREATE TABLE idx_token (
    param  INTEGER NOT NULL,
    code   TEXT    NOT NULL,
    rid    INTEGER NOT NULL,
    system INTEGER NOT NULL,
    PRIMARY KEY (param, code, rid, system)
) WITHOUT ROWID;
CREATE TABLE idx_string (
    param  INTEGER NOT NULL,
    normal TEXT    NOT NULL,
    rid    INTEGER NOT NULL,
    exact  TEXT    NOT NULL,
    PRIMARY KEY (param, normal, rid, exact)
) WITHOUT ROWID;
CREATE TABLE idx_reference (
    param  INTEGER NOT NULL,
    target TEXT    NOT NULL,
    rid    INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    PRIMARY KEY (param, target, rid, kind)
) WITHOUT ROWID;
-- `long` keeps spans of more than a day (and open ones) apart, so that `ge` can seek by `low` among the short ones.
CREATE TABLE idx_date (
    param INTEGER NOT NULL,
    long  INTEGER NOT NULL,
    low   INTEGER NOT NULL,
    rid   INTEGER NOT NULL,
    high  INTEGER NOT NULL,
    PRIMARY KEY (param, long, low, rid, high)
) WITHOUT ROWID;

-- Parcels. States: 0 pending, 1 delivered, 2 given up, 3 in doubt. `due_us` is set on the parcels that may be sent when
-- their time has come: those without an order key, and the first pending one of each key.
CREATE TABLE parcel (
    seq        INTEGER PRIMARY KEY,
    id         BLOB    NOT NULL,
    dest       INTEGER NOT NULL,
    okey       TEXT,
    state      INTEGER NOT NULL,
    due_us     INTEGER,
    created_us INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    doubt      INTEGER NOT NULL,
    begun      INTEGER NOT NULL,
    message    INTEGER,
    correlation TEXT   NOT NULL,
    error      TEXT
);
CREATE UNIQUE INDEX parcel_id ON parcel (id);
CREATE INDEX parcel_due ON parcel (dest, due_us) WHERE due_us IS NOT NULL;
CREATE INDEX parcel_order ON parcel (dest, okey) WHERE state = 0 AND okey IS NOT NULL;
CREATE INDEX parcel_owed ON parcel (dest) WHERE state = 0;
CREATE INDEX parcel_stuck ON parcel (dest, state) WHERE state >= 2;
CREATE INDEX parcel_message ON parcel (message) WHERE message IS NOT NULL;

CREATE TABLE parcel_body (
    seq          INTEGER PRIMARY KEY,
    content_type TEXT NOT NULL,
    body         BLOB NOT NULL,
    answer       BLOB
);

CREATE TABLE wake (
    seq     INTEGER PRIMARY KEY,
    at_us   INTEGER NOT NULL,
    event   TEXT    NOT NULL,
    subject TEXT    NOT NULL
);
CREATE INDEX wake_at ON wake (at_us);

-- Who or what caused a commit, when, and how much it wrote. No content. Causes: 0 message, 1 answer, 2 command, 3 timer.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,
    at_us   INTEGER NOT NULL,
    cause   INTEGER NOT NULL,
    who     TEXT,
    request TEXT,
    message INTEGER,
    writes  INTEGER NOT NULL,
    parcels INTEGER NOT NULL
);
