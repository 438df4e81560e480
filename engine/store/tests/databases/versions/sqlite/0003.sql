-- What version 3 has besides: a deployment with two files.
INSERT INTO deployment (number, at_us, who, why, node, kind, goes_to) VALUES (1, 1763971300000000, 'anna', 'ticket 7', 'hub-1', 'start', NULL);
INSERT INTO deployed_text (sha256, body) VALUES
    (X'00000000000000000000000000000000000000000000000000000000000000C1', CAST('name = "old/adt"' AS BLOB)),
    (X'00000000000000000000000000000000000000000000000000000000000000C2', CAST('version = 1' AS BLOB));
INSERT INTO deployed_file (deployment, path, text) SELECT 1, 'channels/old/adt.toml', id FROM deployed_text WHERE body = CAST('name = "old/adt"' AS BLOB);
INSERT INTO deployed_file (deployment, path, text) SELECT 1, 'mappings/old/adt.toml', id FROM deployed_text WHERE body = CAST('version = 1' AS BLOB);
UPDATE deployment SET ended_us = 1763971301000000, result = 'applied' WHERE number = 1;
