-- Accounts of people. `name` is what they sign in with: `phone:+8613800138000` or `staff:1001`. `roles` are names with spaces between.
-- Of staff: `password` as argon2id keeps it, `totp` the secret of the one-time passwords and `totp_step` the last step used; `failed`
-- counts tries without success, `locked_us` is how long no more are taken.
CREATE TABLE account (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    roles       TEXT    NOT NULL,
    stands_for  TEXT,
    opened_us   INTEGER NOT NULL,
    disabled_us INTEGER,
    password    TEXT,
    totp        BLOB,
    totp_step   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    locked_us   INTEGER
) WITHOUT ROWID;

-- Invitations to choose a password, one an account; `digest` is of the secret in the link. Digests are SHA-256, in hexadecimal.
CREATE TABLE account_invitation (
    account  TEXT    NOT NULL PRIMARY KEY,
    digest   TEXT    NOT NULL UNIQUE,
    totp     BLOB    NOT NULL,
    until_us INTEGER NOT NULL
) WITHOUT ROWID;

-- The code last sent to a phone, by the digest of both, and how often it can still be tried.
CREATE TABLE account_code (
    phone    TEXT    NOT NULL PRIMARY KEY,
    digest   TEXT    NOT NULL,
    tries    INTEGER NOT NULL,
    until_us INTEGER NOT NULL
) WITHOUT ROWID;

-- When codes were sent, to which phone and at whose wish: what limits count.
CREATE TABLE account_code_sent (
    id      TEXT    NOT NULL PRIMARY KEY,
    phone   TEXT    NOT NULL,
    address TEXT,
    at_us   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX account_code_sent_phone ON account_code_sent (phone, at_us);
CREATE INDEX account_code_sent_address ON account_code_sent (address, at_us) WHERE address IS NOT NULL;
CREATE INDEX account_code_sent_at ON account_code_sent (at_us);

-- Registered clients. `kind`: 0 an app for the public, 1 an app for staff, 2 a system. `redirects` of an app is a JSON array; `roles` and
-- `stands_for` are a system's; `keys` is a JWK Set.
CREATE TABLE oauth_client (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    kind       INTEGER NOT NULL,
    redirects  TEXT    NOT NULL,
    roles      TEXT    NOT NULL,
    stands_for TEXT,
    keys       TEXT,
    disabled   INTEGER NOT NULL
) WITHOUT ROWID;

-- Authorization codes, by their digest; `session` is the one each is, or was, exchanged for.
CREATE TABLE oauth_grant (
    digest       TEXT    NOT NULL PRIMARY KEY,
    account      TEXT    NOT NULL,
    client       TEXT    NOT NULL,
    redirect     TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    scope        TEXT    NOT NULL,
    nonce        TEXT,
    signed_in_us INTEGER NOT NULL,
    until_us     INTEGER NOT NULL,
    session      TEXT    NOT NULL,
    spent        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX oauth_grant_account ON oauth_grant (account);
CREATE INDEX oauth_grant_until ON oauth_grant (until_us);

-- Sessions: each ends at `until_us` unless it is used before, at `ends_us` in any case, at `ended_us` before its time.
CREATE TABLE oauth_session (
    id           TEXT    NOT NULL PRIMARY KEY,
    account      TEXT    NOT NULL,
    client       TEXT    NOT NULL,
    scope        TEXT    NOT NULL,
    signed_in_us INTEGER NOT NULL,
    until_us     INTEGER NOT NULL,
    ends_us      INTEGER NOT NULL,
    ended_us     INTEGER
) WITHOUT ROWID;
CREATE INDEX oauth_session_account ON oauth_session (account);
CREATE INDEX oauth_session_client ON oauth_session (client);
CREATE INDEX oauth_session_until ON oauth_session (until_us);

-- All refresh tokens of a session by their digests: the one that is not spent can be used, one that is spent ends the session.
CREATE TABLE oauth_refresh (
    digest  TEXT    NOT NULL PRIMARY KEY,
    session TEXT    NOT NULL,
    spent   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX oauth_refresh_session ON oauth_refresh (session);

-- Assertions of clients that have been used.
CREATE TABLE oauth_assertion (
    client   TEXT    NOT NULL,
    digest   TEXT    NOT NULL,
    until_us INTEGER NOT NULL,
    PRIMARY KEY (client, digest)
) WITHOUT ROWID;
CREATE INDEX oauth_assertion_until ON oauth_assertion (until_us);

-- The keys that sign access tokens (PKCS #8).
CREATE TABLE oauth_key (
    id      TEXT    NOT NULL PRIMARY KEY,
    secret  BLOB    NOT NULL,
    made_us INTEGER NOT NULL
) WITHOUT ROWID;
