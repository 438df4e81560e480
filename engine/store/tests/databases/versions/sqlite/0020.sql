-- What this version has besides: an attachment that a message needs and a resource uses, and a place that was given up.
INSERT INTO attachment (place, sha256, size, media_type, stored_us, state, due_us)
VALUES ('0000000000000000000000000000000a', X'abababababababababababababababababababababababababababababababab', 7, 'text/plain', 1763971400000000, 0, NULL),
       ('0000000000000000000000000000000b', NULL, 0, '', 1763971400000000, 1, NULL);
INSERT INTO attachment_need (seq, place) VALUES (1, '0000000000000000000000000000000a');
INSERT INTO attachment_use (place, resource) VALUES ('0000000000000000000000000000000a', 'Location/old');
