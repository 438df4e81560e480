-- Accounts, and what they let apps do: see migrations/sqlite, which says what each table and column is for.
CREATE TABLE account (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL UNIQUE,
    roles       TEXT NOT NULL,
    stands_for  TEXT,
    opened_us   BIGINT NOT NULL,
    disabled_us BIGINT,
    password    TEXT,
    totp        BYTEA,
    totp_step   BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    locked_us   BIGINT
);

CREATE TABLE account_invitation (
    account  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    digest   TEXT COLLATE "C" NOT NULL UNIQUE,
    totp     BYTEA NOT NULL,
    until_us BIGINT NOT NULL
);

CREATE TABLE account_code (
    phone    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    digest   TEXT COLLATE "C" NOT NULL,
    tries    BIGINT NOT NULL,
    until_us BIGINT NOT NULL
);

CREATE TABLE account_code_sent (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    phone   TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C",
    at_us   BIGINT NOT NULL
);
CREATE INDEX account_code_sent_phone ON account_code_sent (phone, at_us);
CREATE INDEX account_code_sent_address ON account_code_sent (address, at_us) WHERE address IS NOT NULL;
CREATE INDEX account_code_sent_at ON account_code_sent (at_us);

CREATE TABLE oauth_client (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    kind       BIGINT NOT NULL,
    redirects  TEXT NOT NULL,
    roles      TEXT NOT NULL,
    stands_for TEXT,
    keys       TEXT,
    disabled   BIGINT NOT NULL
);

CREATE TABLE oauth_grant (
    digest       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account      TEXT COLLATE "C" NOT NULL,
    client       TEXT COLLATE "C" NOT NULL,
    redirect     TEXT NOT NULL,
    challenge    TEXT COLLATE "C" NOT NULL,
    scope        TEXT NOT NULL,
    nonce        TEXT,
    signed_in_us BIGINT NOT NULL,
    until_us     BIGINT NOT NULL,
    session      TEXT COLLATE "C" NOT NULL,
    spent        BIGINT NOT NULL
);
CREATE INDEX oauth_grant_account ON oauth_grant (account);
CREATE INDEX oauth_grant_until ON oauth_grant (until_us);

CREATE TABLE oauth_session (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account      TEXT COLLATE "C" NOT NULL,
    client       TEXT COLLATE "C" NOT NULL,
    scope        TEXT NOT NULL,
    signed_in_us BIGINT NOT NULL,
    until_us     BIGINT NOT NULL,
    ends_us      BIGINT NOT NULL,
    ended_us     BIGINT
);
CREATE INDEX oauth_session_account ON oauth_session (account);
CREATE INDEX oauth_session_client ON oauth_session (client);
CREATE INDEX oauth_session_until ON oauth_session (until_us);

CREATE TABLE oauth_refresh (
    digest  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    session TEXT COLLATE "C" NOT NULL,
    spent   BIGINT NOT NULL
);
CREATE INDEX oauth_refresh_session ON oauth_refresh (session);

CREATE TABLE oauth_assertion (
    client   TEXT COLLATE "C" NOT NULL,
    digest   TEXT COLLATE "C" NOT NULL,
    until_us BIGINT NOT NULL,
    PRIMARY KEY (client, digest)
);
CREATE INDEX oauth_assertion_until ON oauth_assertion (until_us);

CREATE TABLE oauth_key (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    secret  BYTEA NOT NULL,
    made_us BIGINT NOT NULL
);
