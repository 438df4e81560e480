#!/usr/bin/env python3
"""Measures what docs/scale.md says of PostgreSQL: tables whole and in hash partitions by patient, and a read replica.

    scripts/scale/partitions.py [--seconds 10] [--patients 200000] [--rows 2000000]

Makes two clusters of its own in a temporary folder, on this machine, with fsync on, and prints rows of a table in Markdown. Needs PostgreSQL 15
or newer with pgbench; `PG_BIN` names its folder of programs where they are not found. Partitions stand for the shards of Citus: what is shown is
the balance, the pruning and the fan-out, not the network between nodes.
"""

import argparse
import glob
import os
import pwd
import re
import shutil
import statistics
import subprocess
import tempfile
import time

PARTITIONS = 32


def programs():
    if "PG_BIN" in os.environ:
        return os.environ["PG_BIN"]
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    if found:
        return found[-1]
    return os.path.dirname(shutil.which("initdb") or "") or exit("PostgreSQL is not found: set PG_BIN")


BIN = programs()
# PostgreSQL does not run as root.
USER = pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def run(program, *arguments, text=None, check=True):
    """Runs one of PostgreSQL's programs and gives what it said."""
    drop = {"user": USER.pw_uid, "group": USER.pw_gid, "extra_groups": []} if USER else {}
    done = subprocess.run(
        [os.path.join(BIN, program), *arguments], input=text, capture_output=True, text=True, cwd="/", **drop
    )
    if check and done.returncode != 0:
        exit(f"{program} {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Cluster:
    """A PostgreSQL of our own."""

    def __init__(self, folder, port):
        self.folder, self.port, self.data = folder, port, os.path.join(folder, f"data{port}")

    def make(self):
        run("initdb", "-D", self.data, "-U", "bench", "--no-locale", "-E", "UTF8")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as settings:
            settings.write(
                "listen_addresses = ''\nshared_buffers = '512MB'\nmax_wal_size = '4GB'\nwal_level = replica\n"
                "max_wal_senders = 4\nmax_connections = 50\n"
                f"unix_socket_directories = '{self.folder}'\nport = {self.port}\n"
            )
        self.start()

    def follow(self, other):
        """Makes it a copy of another that follows it."""
        run("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", *other.where())
        with open(os.path.join(self.data, "postgresql.conf"), "a") as settings:
            settings.write(f"port = {self.port}\n")
        self.start()

    def start(self):
        run("pg_ctl", "-D", self.data, "-l", os.path.join(self.folder, f"log{self.port}"), "-w", "start")

    def stop(self):
        run("pg_ctl", "-D", self.data, "-m", "immediate", "stop", check=False)

    def where(self):
        return ["-h", self.folder, "-p", str(self.port), "-U", "bench"]

    def sql(self, text):
        return run("psql", *self.where(), "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-qAt", "-f", "-", text=text)

    def bench(self, script, seconds, clients, **variables):
        """Runs a script of pgbench; gives transactions a second and the middle of their times in milliseconds."""
        path = os.path.join(self.folder, "script.sql")
        with open(path, "w") as file:
            file.write(script)
        os.chmod(path, 0o644)
        defined = [word for name, value in variables.items() for word in ("-D", f"{name}={value}")]
        said = run(
            "pgbench", *self.where(), "-n", "-f", path, "-T", str(seconds), "-c", str(clients), "-j", "2",
            "-M", "prepared", *defined, "postgres",
        )
        rate = float(re.search(r"tps = ([\d.]+)", said).group(1))
        latency = float(re.search(r"latency average = ([\d.]+)", said).group(1))
        return rate, latency


# One patient's own tables: what is read together has the same key, so it lies in the same partition.
TABLES = """
CREATE TABLE message_{kind} (patient text, id bigint, received timestamptz DEFAULT now(), body text, PRIMARY KEY (patient, id)) {by};
CREATE TABLE resource_{kind} (patient text, type text, id bigint, version bigint DEFAULT 1, identifier text, body jsonb, PRIMARY KEY (patient, type, id)) {by};
CREATE TABLE parcel_{kind} (patient text, id bigint, due timestamptz DEFAULT now(), body text, PRIMARY KEY (patient, id)) {by};
CREATE INDEX ON resource_{kind} (identifier);
"""

# What a message does, in one transaction: the journal, a resource in place, a new one, something owed.
COMMIT = """
\\set number random(1, :patients)
\\set id random(1, 2000000000)
BEGIN;
INSERT INTO message_{kind} (patient, id, body) VALUES ('P' || :number, :id, repeat('x', 1000)) ON CONFLICT DO NOTHING;
INSERT INTO resource_{kind} (patient, type, id, identifier, body) VALUES ('P' || :number, 'Patient', :number, 'MRN' || :number, '{{"a":1}}')
  ON CONFLICT (patient, type, id) DO UPDATE SET version = resource_{kind}.version + 1;
INSERT INTO resource_{kind} (patient, type, id, identifier, body) VALUES ('P' || :number, 'Observation', :id, 'O' || :id, '{{"a":1}}') ON CONFLICT DO NOTHING;
INSERT INTO parcel_{kind} (patient, id, body) VALUES ('P' || :number, :id, repeat('x', 500)) ON CONFLICT DO NOTHING;
COMMIT;
"""
OF_PATIENT = """
\\set number random(1, :patients)
SELECT type, id, body FROM resource_{kind} WHERE patient = 'P' || :number ORDER BY type, id LIMIT 50;
"""
BY_IDENTIFIER = """
\\set number random(1, :rows)
SELECT patient, id, body FROM resource_{kind} WHERE identifier = 'O' || :number;
"""


def tables(cluster, kind, partitions):
    by = "PARTITION BY HASH (patient)" if partitions else ""
    cluster.sql(TABLES.format(kind=kind, by=by))
    for table in ("message", "resource", "parcel") if partitions else ():
        cluster.sql(
            "".join(
                f"CREATE TABLE {table}_{kind}_{nth} PARTITION OF {table}_{kind} FOR VALUES WITH (MODULUS {partitions}, REMAINDER {nth});"
                for nth in range(partitions)
            )
        )


def fill(cluster, kind, rows, patients):
    """Few patients have much, many have little: the number of a patient is the square of an even chance (an assumption: a tenth of the patients has a third of all)."""
    cluster.sql(
        f"INSERT INTO resource_{kind} (patient, type, id, identifier, body) SELECT 'P' || (1 + floor({patients} * "
        f"power(('x' || substr(md5(n::text), 1, 8))::bit(32)::bigint / 4294967296.0, 2)))::bigint, 'Observation', n, 'O' || n, "
        f"jsonb_build_object('status', 'final', 'value', n, 'text', repeat('y', 300)) FROM generate_series(1, {rows}) AS n;"
        f"ANALYZE resource_{kind};"
    )


def row(what, measured):
    print(f"| {what} | {measured} |", flush=True)


def balance(cluster, rows):
    """How even shards would be: the same rows, by a hash of the patient."""
    for shards in (8, 32, 128):
        counts = cluster.sql(
            "SELECT count(*) FROM (SELECT hashtextextended(patient, 0) AS h FROM resource_whole) AS hashed "
            f"GROUP BY ((h % {shards}) + {shards}) % {shards} ORDER BY 1 DESC;"
        )
        counts = [int(count) for count in counts.split()]
        row(
            f"rows of the fullest of {shards} shards, by hash of the patient, against the mean",
            f"{max(counts) / (rows / shards):.2f}",
        )
    most = int(cluster.sql("SELECT max(n) FROM (SELECT count(*) AS n FROM resource_whole GROUP BY patient) AS counts;"))
    row("rows of the patient who has most", f"{most} ({100 * most / rows:.3f} % of all)")


def partitions(cluster, options):
    tables(cluster, "whole", 0)
    tables(cluster, "parts", PARTITIONS)
    for kind in ("whole", "parts"):
        fill(cluster, kind, options.rows, options.patients)
    cluster.sql("CHECKPOINT;")
    balance(cluster, options.rows)
    named = {"whole": "whole tables", "parts": f"{PARTITIONS} partitions by patient"}
    for what, script in [
        ("commits of a message (journal, two resources, one parcel)", COMMIT),
        ("reads of one patient's resources", OF_PATIENT),
        ("reads by an identifier, without the patient", BY_IDENTIFIER),
    ]:
        for kind in ("whole", "parts"):
            rate, latency = cluster.bench(
                script.format(kind=kind), options.seconds, 8, patients=options.patients, rows=options.rows
            )
            row(f"{what}, {named[kind]}, 8 clients", f"{rate:.0f}/s, {latency:.2f} ms")
    scanned = cluster.sql("EXPLAIN SELECT 1 FROM resource_parts WHERE patient = 'P1';").count("Scan")
    row("partitions that a read of one patient touches", f"{scanned} of {PARTITIONS}")
    begun = time.monotonic()
    cluster.sql("CREATE TABLE moved (LIKE resource_parts_0 INCLUDING ALL); INSERT INTO moved SELECT * FROM resource_parts_0;")
    seconds = time.monotonic() - begun
    moved = int(cluster.sql("SELECT count(*) FROM moved;"))
    row("copying one partition, as moving a shard does", f"{moved} rows in {seconds:.1f} s ({moved / seconds:.0f}/s)")


def lag(primary, options, rate):
    """How far a follower is behind while commits go on at a rate (0: as many as there can be)."""
    path = os.path.join(primary.folder, "load.sql")
    with open(path, "w") as file:
        file.write(COMMIT.format(kind="parts"))
    os.chmod(path, 0o644)
    limit = ["-R", str(rate)] if rate else []
    drop = {"user": USER.pw_uid, "group": USER.pw_gid, "extra_groups": []} if USER else {}
    load = subprocess.Popen(
        [os.path.join(BIN, "pgbench"), *primary.where(), "-n", "-f", path, "-T", str(options.seconds), "-c", "8", "-j", "2",
         "-M", "prepared", "-D", f"patients={options.patients}", *limit, "postgres"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/", **drop,
    )
    time.sleep(1)
    behind = []
    while load.poll() is None:
        told = primary.sql("SELECT coalesce(extract(epoch FROM replay_lag) * 1000, 0) FROM pg_stat_replication;").split()
        behind.append(float(told[0]))
        time.sleep(0.1)
    said = load.stdout.read()
    done = float(re.search(r"tps = ([\d.]+)", said).group(1))
    behind.sort()
    return done, statistics.median(behind), behind[int(len(behind) * 0.99)]


def replica(primary, follower, options):
    follower.follow(primary)
    time.sleep(2)
    for rate in (200, 1000, 0):
        done, half, most = lag(primary, options, rate)
        how = f"at {rate} commits/s" if rate else "as many commits as there can be"
        row(f"a replica on the same machine, {how}: behind p50 / p99", f"{half:.1f} / {most:.1f} ms ({done:.0f} commits/s)")
    rate, latency = follower.bench(
        OF_PATIENT.format(kind="parts"), options.seconds, 8, patients=options.patients, rows=options.rows
    )
    row("reads of one patient's resources on the replica, 8 clients, no writes meanwhile", f"{rate:.0f}/s, {latency:.2f} ms")
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'; ALTER SYSTEM SET synchronous_commit = remote_apply;")
    primary.sql("SELECT pg_reload_conf();")
    time.sleep(1)
    rate, latency = primary.bench(COMMIT.format(kind="parts"), options.seconds, 8, patients=options.patients)
    row("commits that wait until the replica shows them (remote_apply), 8 clients", f"{rate:.0f}/s, {latency:.2f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--patients", type=int, default=200_000)
    parser.add_argument("--rows", type=int, default=2_000_000)
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    if USER:
        os.chown(folder, USER.pw_uid, USER.pw_gid)
    primary, follower = Cluster(folder, 5501), Cluster(folder, 5502)
    try:
        primary.make()
        row("what", "measured")
        print("|---|---|")
        row("PostgreSQL", run("postgres", "--version").strip())
        row("patients, resources", f"{options.patients}, {options.rows}")
        partitions(primary, options)
        replica(primary, follower, options)
    finally:
        follower.stop()
        primary.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
