//! The command line: what can be asked of the program, in words worth reading.

mod accounts;
mod archive;
mod deploy;
mod map;
mod replay;
mod sim;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use hub_core::who::Role;
use hub_fhir::Reference;

pub use self::accounts::{AccountCommand, ClientCommand, NamedArguments, Who};
pub use self::archive::{ArchiveCommand, ArchiveFiles, ImportArguments};
pub use self::deploy::{
    DeployArguments, DeploymentsArguments, DeploymentsCommand, HowArguments, RollbackArguments,
};
pub use self::map::{
    CoverageArguments, DiffArguments, ExplainArguments, MapCommand, SchemaArguments, SchemaKind, TryArguments,
};
pub use self::replay::{BegunReplay, NewReplay, ReplayArguments};
pub use self::sim::{SimArguments, SimName};
use self::values::{above_zero, id, zero_or_more};

/// What `--version` says: a debug build says so, for nobody should measure it.
const VERSION: &str = if cfg!(debug_assertions) {
    concat!(env!("CARGO_PKG_VERSION"), " (debug build)")
} else {
    env!("CARGO_PKG_VERSION")
};

/// Huitong 汇通, the integration hub for international medicine.
///
/// Messages come in by MLLP and other ways, mappings turn them into FHIR R4B resources, queues carry messages out, and a
/// FHIR API serves what is stored.
#[derive(Debug, Parser)]
#[command(name = "huitong", version = VERSION, propagate_version = true, max_term_width = 110)]
#[command(after_help = "\
Start here:
  huitong demo                          a hub with simulators of all partners, on SQLite in ./data
  huitong status                        how it stands
  huitong messages --patient 1000001    find messages
  huitong check                         lint channels, mappings and settings
  huitong test                          run the channels' own tests
  huitong map explain lis/oru-r01 FILE  what becomes of each field of a message

Exit codes: 0 done; 1 it could not be done, or a test failed; 2 the command line is wrong;
64 channels, mappings or settings are wrong.")]
pub struct Cli {
    /// What every command knows.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command knows.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The folder that holds channels/, mappings/, fixtures/ and config/
    #[arg(long, global = true, default_value = ".", value_name = "FOLDER", display_order = 100)]
    pub root: PathBuf,
    /// The settings file [default: config/hub.toml below the root, when it is there]
    #[arg(
        long,
        global = true,
        display_order = 101,
        env = "HUITONG_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// The data folder, over the setting `data_dir`
    #[arg(long, global = true, display_order = 102, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// One setting, over file and environment: --set http.listen=127.0.0.1:9000
    #[arg(long, global = true, display_order = 103, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the running hub is, for the commands that ask it [default: http:// and the setting `http.listen`]
    #[arg(
        long,
        global = true,
        display_order = 104,
        env = "HUITONG_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub url: Option<String>,
    /// Whether partners are simulated: then their keys are at hand.
    #[arg(skip)]
    pub simulates: bool,
}

/// The arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The folder; it is made when it is not there [default: the root]
    pub folder: Option<PathBuf>,
    /// Only the folders, settings and schemas
    #[arg(long)]
    pub bare: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the hub
    #[command(after_help = "\
Examples:
  huitong run
  huitong run --data /var/lib/huitong --set http.listen=127.0.0.1:9000
  huitong run --set 'channels.\"his/adt\".settings.listen=\"0.0.0.0:2575\"'

Every setting with its default: config/default.toml. Ctrl-C ends what is under way and stops; a second one stops at once.")]
    Run(RunArguments),
    /// Run the hub together with simulators of all partners and living traffic
    #[command(after_help = "Examples:\n  huitong demo\n  huitong demo --rate 20 --data /tmp/demo")]
    Demo(DemoArguments),
    /// Begin a project in an empty folder: settings, folders, the parts and code tables that come with the hub, schemas for editors
    #[command(after_help = "\
Examples:
  huitong init my-hub && cd my-hub
  huitong init --bare              without the mappings and code tables that come with the hub

Files that are there already are left as they are. What to do next: docs/tutorial.md")]
    Init(InitArguments),
    /// Lint channels, mappings, code tables and settings: every finding at once
    Check(CheckArguments),
    /// Run the channels' own [[test]]s, each against its golden files
    #[command(after_help = "\
Examples:
  huitong test                     all
  huitong test lis/oru-r01         one channel's
  huitong test potassium --bless   write what comes out as the new golden files")]
    Test(TestArguments),
    /// Work on a mapping: explain a message, try changes, compare with real traffic, measure coverage
    #[command(subcommand)]
    Map(MapCommand),
    /// Print the JSON Schema of channel, mapping or code-table files, for editors
    #[command(after_help = "\
Examples:
  huitong schema mapping            print one
  huitong schema --write            write schemas/*.schema.json; .taplo.toml names them to editors")]
    Schema(SchemaArguments),
    /// Send files or folders of messages to a listener, once or as a load
    #[command(after_help = "\
Examples:
  huitong send message.hl7 --to mllp://127.0.0.1:2575
  huitong send fixtures/lis/oru-r01 --to mllp://127.0.0.1:2576
  huitong send message.hl7 --to mllp://127.0.0.1:2576 --unique --count 10000 --concurrency 16

Without --unique a message that was sent before is acknowledged again and not processed twice.
The exit code is 1 when an answer was not one of those expected.")]
    Send(SendArguments),
    /// Make a short-lived access token for the business door; for whoever can read the data folder
    #[command(after_help = "\
Examples:
  huitong token --role operations
  curl -H \"Authorization: Bearer $(huitong token --role patient --for Person/7)\" ...")]
    Token(TokenArguments),
    /// Invite members of staff to the running hub; disable and enable accounts
    #[command(
        subcommand,
        after_help = "\
Examples:
  huitong account invite 10086 --role doctor --for Practitioner/7
  huitong account disable --staff 10086

Who may sign in, and how: docs/sign-in.md"
    )]
    Account(AccountCommand),
    /// Register apps that people sign in to, and systems, at the running hub
    #[command(
        subcommand,
        after_help = "\
Examples:
  huitong client app patients --name '国际医疗' --for patients --redirect https://app.hospital.example/back
  huitong client system insurer --name Insurer --role system --keys insurer.jwks.json"
    )]
    Client(ClientCommand),
    /// Look whether the trail of accesses is whole; the exit code is 1 when it is not
    #[command(after_help = "\
Each access at the doors is an AuditEvent that holds the digest of the one before. The digest of the newest, kept elsewhere, tells
later whether the end has been cut off.")]
    Audit {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Find messages in the running hub, and see why one was set aside
    #[command(after_help = "\
Examples:
  huitong messages --state quarantined                  what was set aside, where and why
  huitong messages --patient 1000001 --since 2h
  huitong messages --key order=A260000001
  huitong messages 01a206b9-814e-73f3-8cd1-3927b0747fcc         one, whole
  huitong messages 01a206b9-814e-73f3-8cd1-3927b0747fcc --raw   its bytes: patient data")]
    Messages(MessagesArguments),
    /// Process messages again with the mapping of now: by id, or by filter
    #[command(after_help = "\
Examples:
  huitong replay 01a206b9-814e-73f3-8cd1-3927b0747fcc
  huitong replay --state quarantined --channel his/adt --since 1d
  huitong replay --channel his/adt --since 30d --dry-run         what it would do, without writing
  huitong replay --channel his/adt --since 30d --rate 100        goes on in the hub, at 100 a second
  huitong replay status 3                                        how it stands; also: pause 3, resume 3, stop 3

Replaying is safe: the same resources are written in place, what later messages have written since stays, and
what was sent is not sent twice. After mending a mapping, `huitong deploy` first.")]
    Replay(ReplayArguments),
    /// Set messages aside at which a lane stands, so that those behind them go on
    #[command(after_help = "\
Example:
  huitong skip 01a206b9-814e-73f3-8cd1-3927b0747fcc   `huitong status` shows at which message a lane stands

A message that was skipped is set aside: `huitong replay` processes it again, after those that have gone past it.")]
    Skip(SkipArguments),
    /// Put what was given up or is in doubt back into a destination's queue
    #[command(after_help = "\
Examples:
  huitong retry his/adt/lis-feed
  huitong retry --parcel 30ff6d1e-27dc-823b-a9bf-9945071a7415   its id: `huitong messages ID`

What is in doubt may have arrived: find out from the receiver before it is sent again.")]
    Retry(RetryArguments),
    /// Have the running hub read its files again: all of it is right and runs, or nothing is changed
    #[command(after_help = "\
Examples:
  huitong deploy --dry-run                      what would change
  huitong deploy --why 'ticket 4711: new ward codes'

Channels, mappings, code tables and the settings of channels are read, linted and compiled first. Channels that do not change
keep their connections; so do those of which only mappings, code tables, filters and destinations do.
The exit code is 64 when the files are wrong; every finding is told.")]
    Deploy(DeployArguments),
    /// Have the running hub run the files of an earlier deployment again
    #[command(after_help = "\
Examples:
  huitong deployments                           which there are
  huitong rollback 6 --why 'the new table sets results aside'

The files are written into the folder too; what stands there and has never run is kept as a deployment first.")]
    Rollback(RollbackArguments),
    /// List what was run when, by whom and why; show one; compare two
    #[command(after_help = "\
Examples:
  huitong deployments
  huitong deployments show 6
  huitong deployments show 6 channels/his/adt.toml
  huitong deployments diff 6 7
  huitong deployments diff 6 7 mappings/his/adt.toml")]
    Deployments(DeploymentsArguments),
    /// Messages that were written to archives before they were deleted: list, verify, take back in
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Write the database of a stopped hub anew: as small as it can be, and giving space back by itself from then on
    #[command(after_help = "\
Examples:
  huitong vacuum --data /var/lib/huitong

Needed once for a data folder that an earlier version made: its file never shrinks by itself. It needs as much room again meanwhile.")]
    Vacuum,
    /// Move the database of a data folder to PostgreSQL while its hub runs; count and verify it, then switch over
    #[command(after_help = "\
Examples:
  huitong migrate --to postgres://hub@db.hospital.example/huitong
  huitong migrate --to postgres://hub@db.hospital.example/huitong --data /var/lib/huitong --stop

The database must be there and empty. The hub goes on while most is copied; then it must stand still for the rest, and the move says
so. Cut short at any moment, the folder is as it was, and the same command goes on where it was. docs/operations.md tells the rest.")]
    Migrate(MigrateArguments),
    /// Show how the running hub stands: channels, queues, circuits
    Status(StatusArguments),
    /// Run one simulator: his, lis or notify
    #[command(after_help = "\
Examples:
  huitong sim his --rate 5
  huitong sim lis --count 100 --fault half-frame
  curl -X POST http://127.0.0.1:2585/__sim/push          one message now
  curl http://127.0.0.1:2585/__sim/status                what it has sent and heard

The control API and what each fault does: connectors/sim-kit/README.md")]
    Sim(SimArguments),
    /// Measure this machine and this build, and write docs/benchmarks.md
    Bench(BenchArguments),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  huitong completions bash > ~/.local/share/bash-completion/completions/huitong"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether the command prints something and ends
    pub fn only_prints(&self) -> bool {
        matches!(
            self,
            Self::Check(_)
                | Self::Test(_)
                | Self::Map(_)
                | Self::Schema(_)
                | Self::Messages(_)
                | Self::Status(_)
                | Self::Replay(_)
                | Self::Skip(_)
                | Self::Retry(_)
                | Self::Deploy(_)
                | Self::Rollback(_)
                | Self::Deployments(_)
                | Self::Archive(_)
                | Self::Completions { .. }
        )
    }
}

/// `huitong run`
#[derive(Clone, Debug, Default, Args)]
pub struct RunArguments {
    /// Write the addresses taken to this file as JSON, once the hub is ready
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

/// `huitong demo`
#[derive(Clone, Debug, Args)]
pub struct DemoArguments {
    /// What `run` knows.
    #[command(flatten)]
    pub run: RunArguments,
    /// Messages a second that each simulator sends; 0: only when pushed by its control API
    #[arg(long, default_value_t = 1.0, value_parser = zero_or_more)]
    pub rate: f64,
    /// Stop after so many messages of each simulator; 0 goes on for ever
    #[arg(long, default_value_t = 0)]
    pub count: u64,
    /// The people and their stories follow from this number
    #[arg(long, default_value_t = 20_261_122)]
    pub seed: u64,
}

/// `huitong migrate`
#[derive(Debug, Args)]
pub struct MigrateArguments {
    /// The PostgreSQL database. Its password: the setting `store.password_secret`, PGPASSWORD, or ~/.pgpass
    #[arg(long, value_name = "ADDRESS")]
    pub to: String,
    /// Tell the hub to stop (SIGTERM) when little is left, instead of waiting until somebody does
    #[arg(long)]
    pub stop: bool,
    /// One JSON object at the end
    #[arg(long)]
    pub json: bool,
}

/// `huitong check`
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// One JSON object a finding
    #[arg(long)]
    pub json: bool,
}

/// `huitong test`
#[derive(Debug, Args)]
pub struct TestArguments {
    /// Only channels or tests whose name contains one of these words
    pub words: Vec<String>,
    /// Write what comes out as the new golden files. Read the difference before you commit it
    #[arg(long)]
    pub bless: bool,
    /// One JSON object a test
    #[arg(long)]
    pub json: bool,
}

/// `huitong send`
#[derive(Clone, Debug, Args)]
pub struct SendArguments {
    /// Files, or folders whose *.hl7 files are sent in the order of their names
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The listener: mllp://host:port, or http(s)://... for a POST
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// How many messages to send in all; the files are gone round again. Default: each file once
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// At most so many messages a second, over all connections
    #[arg(long, value_parser = above_zero)]
    pub rate: Option<f64>,
    /// Connections that send side by side, each waiting for its answers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Give each message sent its own control id (MSH-10), so that none is a duplicate
    #[arg(long)]
    pub unique: bool,
    /// How long to wait for an answer, in seconds
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub answer_secs: u64,
    /// The answers expected; any other makes the exit code 1
    #[arg(long, default_value = "AA,CA", value_delimiter = ',', value_name = "CODES")]
    pub expect: Vec<String>,
    /// Print one JSON object with the figures
    #[arg(long)]
    pub json: bool,
}

/// `huitong skip`
#[derive(Debug, Args)]
pub struct SkipArguments {
    /// Message ids
    #[arg(required = true, value_parser = id)]
    pub ids: Vec<uuid::Uuid>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// `huitong retry`
#[derive(Debug, Args)]
pub struct RetryArguments {
    /// The destination, as `huitong status` names it: all that was given up or is in doubt there
    #[arg(required_unless_present = "parcel", conflicts_with = "parcel")]
    pub destination: Option<String>,
    /// One parcel, by its id
    #[arg(long, value_name = "ID", value_parser = id)]
    pub parcel: Option<uuid::Uuid>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// What messages are looked for. All that is given must hold.
#[derive(Clone, Debug, Default, Args)]
pub struct MessageFilter {
    /// The channel: his/adt
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// How far it has come
    #[arg(long, value_parser = ["received", "committed", "filtered", "quarantined", "split"])]
    pub state: Option<String>,
    /// The kind of message: ADT^A01
    #[arg(long = "type", value_name = "TYPE")]
    pub message_type: Option<String>,
    /// The sender's own number: MSH-10
    #[arg(long, value_name = "ID")]
    pub control_id: Option<String>,
    /// The patient's number, as the sender writes it
    #[arg(long, value_name = "NUMBER")]
    pub patient: Option<String>,
    /// Another business key: order=4711, or just the value
    #[arg(long, value_name = "NAME=VALUE")]
    pub key: Option<String>,
    /// The pieces of this message: those of a batch or a file
    #[arg(long, value_name = "ID", value_parser = id)]
    pub parent: Option<uuid::Uuid>,
    /// Received at or after: 2026-11-23T08:00:00+08:00, or an age: 15m, 2h, 7d
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Received before: likewise
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// `huitong token`
#[derive(Debug, Args)]
pub struct TokenArguments {
    /// What it may be: patient, operations, finance, administrator, ...
    #[arg(long, value_parser = role)]
    pub role: Role,
    /// Whose it is among the resources: Person/7 of a patient, Practitioner/7 of the hospital's people
    #[arg(long = "for", value_name = "TYPE/ID", value_parser = reference)]
    pub is: Option<Reference>,
    /// How long it lives; at most 720
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=720))]
    pub minutes: u32,
}

fn role(name: &str) -> Result<Role, String> {
    let known = || Role::ALL.map(Role::name).join(", ");
    Role::from_name(name).ok_or_else(|| format!("expected one of {}", known()))
}

fn reference(text: &str) -> Result<Reference, String> {
    Reference::parse(text).map_err(|error| error.to_string())
}

/// `huitong messages`
#[derive(Debug, Args)]
pub struct MessagesArguments {
    /// A message id: shows this one whole, without its body
    #[arg(value_parser = id)]
    pub id: Option<uuid::Uuid>,
    /// What to look for.
    #[command(flatten)]
    pub filter: MessageFilter,
    /// At most so many, newest first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// With an id: print the bytes as received
    #[arg(long, requires = "id", conflicts_with = "json")]
    pub raw: bool,
    /// JSON, as the API gives it
    #[arg(long)]
    pub json: bool,
}

/// `huitong status`
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// JSON, as the API gives it
    #[arg(long)]
    pub json: bool,
}

/// `huitong bench`
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Seconds each measurement takes
    #[arg(long, default_value_t = 5)]
    pub secs: u64,
    /// Write the table to this file; `-` for standard output
    #[arg(long, default_value = "docs/benchmarks.md")]
    pub out: PathBuf,
    /// Only on this database
    #[arg(long)]
    pub only: Option<crate::bench::On>,
    /// Only as a FHIR server, and write no page
    #[arg(long)]
    pub fhir: bool,
    /// Instead fill a journal with a million messages, search it, start a hub on it and delete half of it (takes minutes)
    #[arg(long)]
    pub million: bool,
}
