//! The table of figures: what was measured, what was aimed at.

use std::fmt::Write as _;

/// One figure, on each database where it differs.
struct Row {
    what: String,
    ours: [Option<String>; 2],
    target: &'static str,
}

/// Which database the figures are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum On {
    /// SQLite, in a folder
    Sqlite,
    /// PostgreSQL, a server of the bench's own on this machine
    Postgres,
}

/// The targets on PostgreSQL, by the beginning of what is measured.
const POSTGRES_TARGETS: [(&str, &str); 24] = [
    ("ADT taken in, 1 connection: acknowledged", "at least 0.6 of the disk's fsync rate"),
    ("ADT taken in, 32 connections: acknowledged", "10,000/s"),
    ("ADT taken in, 32 connections: ACK", "3 / 15 ms"),
    ("ADT to Patient and Encounter, 32 connections: acknowledged", "10,000/s"),
    ("ADT to Patient and Encounter, 32 connections: ACK", "3 / 15 ms"),
    ("ADT to Patient and Encounter, 32 connections: mapped", "2,000/s"),
    ("ADT to Patient and Encounter, 32 connections: forwarded", "1,500/s"),
    ("ADT to Patient and Encounter, 32 connections: memory", "200 MB"),
    ("ADT to Patient and Encounter, 1 connection: acknowledged", "at least 0.6 of the disk's fsync rate"),
    ("ORU with 20 OBX: mapped, committed", "200/s (4,000 observations/s)"),
    ("sent -> committed", "15 / 60 ms"),
    ("FHIR: 2000 people loaded", "3,500 resources/s"),
    ("FHIR: read by id", "12,000/s"),
    ("FHIR: `Patient?identifier=`", "6,000/s"),
    ("FHIR: `Observation?patient&code", "3,000/s"),
    ("FHIR: `Appointment?date", "2,000/s"),
    ("FHIR: create Patient, validated", "2,500/s"),
    ("FHIR: transaction of 15", "200/s"),
    ("FHIR: memory", "200 MB"),
    ("found by", "20 ms"),
    ("newest of", "20 ms"),
    ("start to ready, 50 channels", "800 ms"),
    ("memory, idle, 50 channels", "60 MB"),
    ("start to ready, empty", "800 ms (50 channels, a million messages)"),
];

/// All figures of a run.
pub struct Table {
    secs: u64,
    machine: Vec<String>,
    on: On,
    rows: Vec<Row>,
}

impl Table {
    /// An empty table.
    pub fn new(secs: u64) -> Self {
        Self { secs, machine: Vec::new(), on: On::Sqlite, rows: Vec::new() }
    }

    /// What the figures were measured on.
    pub fn machine(&mut self, fsyncs: f64) {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map_or("unknown CPU", |rest| rest.trim_start_matches([' ', '\t', ':']));
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let build =
            if cfg!(debug_assertions) { "DEBUG build: these figures say nothing" } else { "release build" };
        self.machine.push(format!("{model}, {cores} cores; {build}"));
        self.machine
            .push(format!("the disk's own rate: {fsyncs:.0} durable appends (4 kB, fdatasync) a second"));
    }

    /// Whose figures come now.
    pub fn on(&mut self, on: On) {
        self.on = on;
    }

    /// Whether a figure is not in the table yet.
    pub fn is_new(&self, what: &str) -> bool {
        self.rows.iter().all(|row| row.what != what || row.ours[self.on as usize].is_none())
    }

    /// Adds a figure.
    pub fn row(&mut self, what: impl Into<String>, ours: impl Into<String>, target: &'static str) {
        let (what, ours) = (what.into(), ours.into());
        eprintln!("  {what}: {ours}");
        let at = self.rows.iter().position(|row| row.what == what).unwrap_or(self.rows.len());
        if at == self.rows.len() {
            self.rows.push(Row { what, ours: [None, None], target });
        }
        self.rows[at].ours[self.on as usize] = Some(ours);
    }

    /// The page for `docs/`.
    pub fn to_markdown(&self) -> String {
        let mut text = String::from(
            "# Benchmarks\n\nMade by `make bench`; not edited by hand. The load generator runs on the same machine and takes its share of it.\n\n",
        );
        text.push_str(&self.machine_as_markdown());
        let _ = writeln!(
            text,
            "- each load ran for {} s; SQLite with `synchronous=FULL`, PostgreSQL on the same machine with `fsync` and \
             `synchronous_commit`: every acknowledged message was on disk; what no database has a part in stands under SQLite",
            self.secs
        );
        text.push_str(&self.rows_as_markdown());
        text.push_str("\nThe targets are those of the project's performance design; they are floors for the finished product.\n");
        text
    }

    /// What it was measured on, as list items.
    pub fn machine_as_markdown(&self) -> String {
        self.machine.iter().map(|line| format!("- {line}\n")).collect()
    }

    /// The figures alone.
    pub fn rows_as_markdown(&self) -> String {
        let mut text =
            "\n| what | SQLite | target | PostgreSQL | target |\n|---|---|---|---|---|\n".to_owned();
        for row in &self.rows {
            let [sqlite, postgres] = row.ours.each_ref().map(|ours| ours.as_deref().unwrap_or_default());
            let target = POSTGRES_TARGETS.iter().find(|(what, _)| row.what.starts_with(what));
            let target = target.filter(|_| !postgres.is_empty()).map_or("", |(_, target)| target);
            let _ = writeln!(text, "| {} | {sqlite} | {} | {postgres} | {target} |", row.what, row.target);
        }
        text
    }
}
