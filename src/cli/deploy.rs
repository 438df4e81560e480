//! The arguments of the commands about what the hub runs.

use clap::{Args, Subcommand};

/// `huitong deploy`
#[derive(Debug, Args)]
pub struct DeployArguments {
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// How it is done
    #[command(flatten)]
    pub how: HowArguments,
}

/// `huitong rollback`
#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// The number of the deployment whose files are to run again
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub to: u32,
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub why: Option<String>,
    /// Leave the files in the folder as they are: the next start and the next deployment read them again
    #[arg(long)]
    pub leave_folder: bool,
    /// How it is done
    #[command(flatten)]
    pub how: HowArguments,
}

/// How other files are run.
#[derive(Debug, Args)]
pub struct HowArguments {
    /// Read and compare everything, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Give channels and destinations up that are no more, also when messages wait there or parcels are owed
    #[arg(long)]
    pub abandon: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// `huitong deployments`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DeploymentsArguments {
    /// More of one, or of two
    #[command(subcommand)]
    pub command: Option<DeploymentsCommand>,
    /// At most so many, newest first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// Only those before this number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub before: Option<u32>,
    /// JSON, as the API gives it
    #[arg(long)]
    pub json: bool,
}

/// More of one deployment, or of two.
#[derive(Debug, Subcommand)]
pub enum DeploymentsCommand {
    /// Show one: who, when, why, how it ended, and its files; or print one of its files
    Show {
        /// Its number
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        number: u32,
        /// Print this file of it, to the byte: channels/his/adt.toml
        file: Option<String>,
        /// JSON, as the API gives it
        #[arg(long, conflicts_with = "file")]
        json: bool,
    },
    /// Show what differs between two, as `diff -u` does
    Diff {
        /// The older one's number
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        old: u32,
        /// The newer one's number
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        new: u32,
        /// Only this file: channels/his/adt.toml
        file: Option<String>,
        /// JSON, as the API gives it
        #[arg(long)]
        json: bool,
    },
}
