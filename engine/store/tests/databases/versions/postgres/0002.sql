-- What version 2 has besides: a deployment with two files.
INSERT INTO deployment (number, at_us, who, why, node, kind, goes_to) VALUES (1, 1763971300000000, 'anna', 'ticket 7', 'hub-1', 'start', NULL);
INSERT INTO deployed_text (sha256, body) VALUES
    ('\x00000000000000000000000000000000000000000000000000000000000000C1'::bytea, convert_to('name = "old/adt"', 'UTF8')),
    ('\x00000000000000000000000000000000000000000000000000000000000000C2'::bytea, convert_to('version = 1', 'UTF8'));
INSERT INTO deployed_file (deployment, path, text) SELECT 1, 'channels/old/adt.toml', id FROM deployed_text WHERE body = convert_to('name = "old/adt"', 'UTF8');
INSERT INTO deployed_file (deployment, path, text) SELECT 1, 'mappings/old/adt.toml', id FROM deployed_text WHERE body = convert_to('version = 1', 'UTF8');
UPDATE deployment SET ended_us = 1763971301000000, result = 'applied' WHERE number = 1;
