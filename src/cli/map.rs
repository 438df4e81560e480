//! What can be asked of a mapping: `huitong map ...` and `huitong schema`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `huitong map`
#[derive(Debug, Subcommand)]
pub enum MapCommand {
    /// Show what becomes of each field of a message, and where each value written comes from
    #[command(after_help = "\
Examples:
  huitong map explain lis/oru-r01 fixtures/lis/oru-r01/normal.hl7
  huitong map explain mappings/his/adt.toml 01a206b9-814e-73f3-8cd1-3927b0747fcc     a message of the hub
  huitong map explain his/adt message.hl7 --html message.html                        one page for a browser
  huitong messages ID --raw | huitong map explain his/adt - --json
  huitong map explain ward/notes note.json --stored patients.json                    its lookups are answered by a file
  huitong map explain channels/his/find-patients.toml query.hl7 --reply --stored patients.json

The exit code is 1 when the mapping sets the message aside. What is shown is patient data.")]
    Explain(ExplainArguments),
    /// Run a mapping over messages, again each time a file is saved, and show what changed
    #[command(after_help = "\
Examples:
  huitong map try lis/oru-r01 fixtures/lis/oru-r01/normal.hl7
  huitong map try mappings/his/adt.toml fixtures/his/adt/*.hl7
  huitong map try his/adt message.hl7 --once        run one time, print the whole result

Watched are the mapping, its parts, its code tables and the messages. What is shown is patient data.")]
    Try(TryArguments),
    /// Run the mapping as its files are now over the real messages of the journal, and count what would change
    #[command(after_help = "\
Examples:
  huitong map diff lis/oru-r01 --since 7d                     against the last commit of git
  huitong map diff lis/oru-r01 --since 7d --old git:v1.4      against a tag
  huitong map diff lis/oru-r01 --since 7d --old /srv/before   against another project folder, or a mapping file
  huitong map diff his/adt --since 2h --stored                against what the store holds: what a replay would change
  huitong map diff his/adt --since 30d --no-values --json     counts only, for a report

Nothing is written, and a running hub is not disturbed. Samples are patient data; --no-values leaves them out.")]
    Diff(DiffArguments),
    /// Show which rows of the official HL7 v2-to-FHIR maps the mappings cover, and which not
    #[command(after_help = "\
Examples:
  huitong map coverage                          every map whose segment or type a mapping reads
  huitong map coverage --segment PID            row by row, each with its mapping line
  huitong map coverage --missing --fail-missing for CI: the rows nobody has decided about; exit code 1 when there are any
  huitong map coverage --markdown               writes docs/v2-to-fhir-coverage.md

What is left out on purpose stands, with its reason, in mappings/left-out.tsv.")]
    Coverage(CoverageArguments),
}

/// `huitong map explain`
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The mapping: its name, its file, or the file of a channel
    #[arg(value_name = "MAPPING")]
    pub file: String,
    /// The message: a file, - for standard input, or the id of a message of the hub
    pub message: String,
    /// What the store holds, for mappings that look something up and for replies: a file of a Bundle, a resource, or NDJSON
    #[arg(long, value_name = "FILE")]
    pub stored: Option<PathBuf>,
    /// Explain what the message is answered: the channel's reply. MAPPING is then the channel's file, or the reply's mapping
    #[arg(long)]
    pub reply: bool,
    /// Which message of a file that holds several, from 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub nth: u32,
    /// JSON, in the shape docs/mapping-commands.md tells
    #[arg(long, conflicts_with = "html")]
    pub json: bool,
    /// Write one HTML page that needs nothing else; - for standard output
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `huitong map try`
#[derive(Debug, Args)]
pub struct TryArguments {
    /// The mapping: its name, its file, or the file of a channel
    #[arg(value_name = "MAPPING")]
    pub file: String,
    /// Messages: files, or the ids of messages of the hub
    #[arg(required = true)]
    pub messages: Vec<String>,
    /// What the store holds, for mappings that look something up: a file of a Bundle, a resource, or NDJSON
    #[arg(long, value_name = "FILE")]
    pub stored: Option<PathBuf>,
    /// Run one time and end; the exit code is 1 when a message is set aside
    #[arg(long)]
    pub once: bool,
}

/// `huitong map diff`
#[derive(Debug, Args)]
pub struct DiffArguments {
    /// The mapping: its name or its file
    #[arg(value_name = "MAPPING")]
    pub name: String,
    /// Only messages of this channel [default: every channel that uses the mapping]
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// Received at or after: an age such as 15m, 2h, 7d, or 2026-11-23T08:00:00+08:00
    #[arg(long, value_name = "TIME", conflicts_with = "from")]
    pub since: Option<String>,
    /// The same as --since
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Received before: likewise
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// At most so many messages, the oldest first
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// What it is compared with: a mapping file, a project folder, or git:REVISION [default: git:HEAD]
    #[arg(long, value_name = "FILE|git:REV")]
    pub old: Option<String>,
    /// Compare with what the store holds now: what a replay would change
    #[arg(long, conflicts_with = "old")]
    pub stored: bool,
    /// Examples shown of each field
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub samples: u32,
    /// Show no values of messages: counts and ids only
    #[arg(long)]
    pub no_values: bool,
    /// JSON, in the shape docs/mapping-commands.md tells
    #[arg(long)]
    pub json: bool,
}

/// `huitong map coverage`
#[derive(Debug, Args)]
pub struct CoverageArguments {
    /// Read the official maps from this folder, instead of those the program carries
    #[arg(long, value_name = "FOLDER")]
    pub maps: Option<PathBuf>,
    /// Only the maps of this segment, data type or message: PID, XPN, ORU_R01. Row by row
    #[arg(long, value_name = "NAME")]
    pub segment: Option<String>,
    /// Also the maps of what no mapping reads
    #[arg(long)]
    pub all: bool,
    /// Only the rows that are neither covered nor left out on purpose
    #[arg(long)]
    pub missing: bool,
    /// Exit code 1 when a row is neither covered nor left out on purpose
    #[arg(long)]
    pub fail_missing: bool,
    /// JSON, in the shape docs/mapping-commands.md tells
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Write the report for people to FILE [default: docs/v2-to-fhir-coverage.md]; - for standard output
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "docs/v2-to-fhir-coverage.md")]
    pub markdown: Option<PathBuf>,
    /// Write the facts of the official maps that the program carries; for who changes the program
    #[arg(long, value_name = "FILE", requires = "maps", hide = true)]
    pub write_facts: Option<PathBuf>,
}

/// `huitong schema`
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// The kind of file whose schema is printed
    #[arg(required_unless_present_any = ["write", "check"])]
    pub kind: Option<SchemaKind>,
    /// Write the schemas of all kinds to schemas/ below the root
    #[arg(long, conflicts_with = "kind")]
    pub write: bool,
    /// Say whether schemas/ below the root is up to date; exit code 1 when it is not
    #[arg(long, conflicts_with_all = ["kind", "write"])]
    pub check: bool,
}

/// The files that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// channels/SYSTEM/FLOW.toml
    Channel,
    /// mappings/SYSTEM/FLOW.toml
    Mapping,
    /// mappings/codes/TABLE.toml
    CodeTable,
}
