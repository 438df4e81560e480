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

The exit code is 1 when the mapping sets the message aside. What is shown is patient data.")]
    Explain(ExplainArguments),
}

/// `huitong map explain`
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The mapping: its name, its file, or the file of a channel
    #[arg(value_name = "MAPPING")]
    pub file: String,
    /// The message: a file, - for standard input, or the id of a message of the hub
    pub message: String,
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
