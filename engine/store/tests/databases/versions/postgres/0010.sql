-- What this version has besides: a replay that has ended, and which message wrote a version.
INSERT INTO replay (ordered_us, ended_us, state, what, newer, owing, rate, at, nth, last, sum, holder, held_us)
    VALUES (1763971500000000, 1763971501000000, 3, '{}', 'no', 'no', 0, 1, 0, 3, '[]', NULL, NULL);
UPDATE resource SET by_at = 1, by_nth = 0 WHERE rid = 1;
