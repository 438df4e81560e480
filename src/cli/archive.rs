//! What can be asked of archived messages: `huitong archive ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `huitong archive`
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// List archives: how many messages of which channels, from when to when, sealed with which key
    #[command(after_help = "\
Examples:
  huitong archive list                          those of the folder that `retention.archive` names
  huitong archive list /mnt/old/*.archive

Read is only what stands in clear; `verify` tells whether it is true.")]
    List(ArchiveFiles),
    /// Read archives whole: the exit code is 1 when one was cut, changed or sealed with another key
    #[command(after_help = "\
Examples:
  huitong archive verify
  huitong archive verify /mnt/old/20261101T000012Z-20261102T000003Z-3f2a9c1e.archive

The key is the secret whose name the archive tells: keep those of old archives.")]
    Verify(ArchiveFiles),
    /// Take archived messages back in, so that they can be found and replayed
    #[command(after_help = "\
Examples:
  huitong archive import /srv/huitong-archive/20261101T000012Z-20261102T000003Z-3f2a9c1e.archive
  huitong archive import --channel his/adt *.archive

They go to the running hub; where none runs, into the data folder or database that the settings name. Each comes back as it
ended, is marked as imported, and is kept `retention.keep_days` from now. Importing twice makes no doubles.")]
    Import(ImportArguments),
}

/// Which archives.
#[derive(Debug, Args)]
pub struct ArchiveFiles {
    /// Archives, or folders of them. Default: the folder that `retention.archive` names
    pub paths: Vec<PathBuf>,
    /// One JSON object an archive
    #[arg(long)]
    pub json: bool,
}

/// `huitong archive import`
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// Archives
    #[arg(required = true, value_name = "FILE")]
    pub paths: Vec<PathBuf>,
    /// Only messages of this channel
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}
