//! The command line of `huitong replay`.

use clap::{Args, Subcommand};

use super::MessageFilter;
use super::values::id;

/// `huitong replay`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ReplayArguments {
    /// What to do with a replay that was begun.
    #[command(subcommand)]
    pub begun: Option<BegunReplay>,
    /// What to replay, and how.
    #[command(flatten)]
    pub new: NewReplay,
}

/// What to replay, and how.
#[derive(Debug, Args)]
pub struct NewReplay {
    /// Message ids
    #[arg(value_parser = id)]
    pub ids: Vec<uuid::Uuid>,
    /// Or those that a filter finds.
    #[command(flatten)]
    pub filter: MessageFilter,
    /// At most so many, the newest of them; with a filter. All, when nothing is said
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: Option<u32>,
    /// Write nothing: tell of each message, and in sum, what a replay would do
    #[arg(long)]
    pub dry_run: bool,
    /// With the values that would differ: patient data, so on a terminal only
    #[arg(long, requires = "dry_run")]
    pub show: bool,
    /// Write also over what later messages have written since: older content over newer
    #[arg(long)]
    pub force: bool,
    /// Send everything again that was sent because of these messages, under new ids
    #[arg(long, conflicts_with = "no_parcels")]
    pub resend: bool,
    /// Send nothing, also not what was never sent: write resources only
    #[arg(long)]
    pub no_parcels: bool,
    /// At most so many messages a second, so that live traffic goes first
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// JSON: one object; with --dry-run one a line
    #[arg(long)]
    pub json: bool,
}

/// What to do with a replay that was begun.
#[derive(Debug, Subcommand)]
pub enum BegunReplay {
    /// Show how a replay stands, or the latest replays
    Status {
        /// Its number
        number: Option<u64>,
        /// Show it until it has ended
        #[arg(long, requires = "number", conflicts_with = "json")]
        watch: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Let a replay wait
    Pause {
        /// Its number
        number: u64,
    },
    /// Let a replay that waits go on
    Resume {
        /// Its number
        number: u64,
    },
    /// End a replay where it is; what it has done stays
    Stop {
        /// Its number
        number: u64,
    },
}
