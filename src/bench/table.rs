//! The table of figures: what was measured, what was aimed at.

use std::fmt::Write as _;

/// One figure.
struct Row {
    what: String,
    ours: String,
    target: &'static str,
}

/// All figures of a run.
pub struct Table {
    secs: u64,
    machine: Vec<String>,
    rows: Vec<Row>,
}

impl Table {
    /// An empty table.
    pub fn new(secs: u64) -> Self {
        Self { secs, machine: Vec::new(), rows: Vec::new() }
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

    /// Whether a figure is not in the table yet.
    pub fn is_new(&self, what: &str) -> bool {
        self.rows.iter().all(|row| row.what != what)
    }

    /// Adds a figure.
    pub fn row(&mut self, what: impl Into<String>, ours: impl Into<String>, target: &'static str) {
        let row = Row { what: what.into(), ours: ours.into(), target };
        eprintln!("  {}: {}", row.what, row.ours);
        self.rows.push(row);
    }

    /// The page for `docs/`.
    pub fn to_markdown(&self) -> String {
        let mut text = String::from(
            "# Benchmarks\n\nMade by `make bench`; not edited by hand. The load generator runs on the same machine and takes its share of it.\n\n",
        );
        for line in &self.machine {
            let _ = writeln!(text, "- {line}");
        }
        let _ = writeln!(
            text,
            "- each load ran for {} s; SQLite, `synchronous=FULL`: every acknowledged message was on disk",
            self.secs
        );
        text.push_str("\n| what | measured | target |\n|---|---|---|\n");
        for row in &self.rows {
            let _ = writeln!(text, "| {} | {} | {} |", row.what, row.ours, row.target);
        }
        text.push_str("\nThe targets are those of the project's performance design; they are floors for the finished product.\n");
        text
    }
}
