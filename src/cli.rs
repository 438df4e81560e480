//! The command line: what can be asked of the program, in words worth reading.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Huitong 汇通, the integration hub for international medicine.
///
/// Messages come in by MLLP and other ways, mappings turn them into FHIR R4B resources, queues carry messages out, and a
/// FHIR API serves what is stored.
#[derive(Debug, Parser)]
#[command(name = "huitong", version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Start here:\n  huitong demo                          a hub with simulators of all partners, on SQLite in ./data\n  huitong check                         lint channels, mappings and settings\n  huitong test                          run the channels' own tests\n  huitong send fixtures/his/adt --to mllp://127.0.0.1:2575\n  huitong messages --patient 1000001    find messages in the running hub"
)]
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
pub struct Global {
    /// The folder that holds channels/, mappings/, fixtures/ and config/.
    #[arg(long, global = true, default_value = ".", value_name = "FOLDER")]
    pub root: PathBuf,
    /// The settings file; config/hub.toml below the root when it is there.
    #[arg(long, global = true, env = "HUITONG_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data folder (also HUITONG_DATA_DIR).
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// One setting, over file and environment: --set http.listen=127.0.0.1:9000
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the running hub's HTTP door is, for the commands that ask it.
    #[arg(long, global = true, env = "HUITONG_URL", value_name = "URL")]
    pub url: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the hub.
    Run(RunArguments),
    /// Run the hub together with simulators of all partners and living traffic.
    Demo(DemoArguments),
    /// Lint channels, mappings, code tables and settings: every finding at once. Exit code 64 when there are any.
    Check(CheckArguments),
    /// Run the channels' own [[test]]s: each message through parse, filter and map, against its golden files.
    Test(TestArguments),
    /// Send files or folders of messages to a listener, once or as a load.
    Send(SendArguments),
    /// Process messages again with the mapping of now: by id, or by filter.
    Replay(ReplayArguments),
    /// Run one simulator: his, lis or notify.
    Sim(SimArguments),
    /// Find messages in the running hub.
    Messages(MessagesArguments),
    /// Show how the running hub stands.
    Status(StatusArguments),
    /// Measure this machine and this build, and write docs/benchmarks.md.
    Bench(BenchArguments),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether the command prints something and ends.
    pub fn only_prints(&self) -> bool {
        matches!(
            self,
            Self::Check(_)
                | Self::Test(_)
                | Self::Messages(_)
                | Self::Status(_)
                | Self::Replay(_)
                | Self::Completions { .. }
        )
    }
}

/// `huitong run`
#[derive(Clone, Debug, Default, Args)]
pub struct RunArguments {
    /// Write the addresses taken to this file as JSON, once the hub is ready.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

/// `huitong demo`
#[derive(Clone, Debug, Args)]
pub struct DemoArguments {
    /// What `run` knows.
    #[command(flatten)]
    pub run: RunArguments,
    /// Messages a second that each simulator sends.
    #[arg(long, default_value_t = 1.0)]
    pub rate: f64,
    /// Stop after so many messages of each simulator; 0 goes on for ever.
    #[arg(long, default_value_t = 0)]
    pub count: u64,
    /// The people and their stories follow from this number.
    #[arg(long, default_value_t = 20_261_122)]
    pub seed: u64,
}

/// `huitong check`
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// One JSON object a finding.
    #[arg(long)]
    pub json: bool,
}

/// `huitong test`
#[derive(Debug, Args)]
pub struct TestArguments {
    /// Only channels or tests whose name contains one of these words.
    pub words: Vec<String>,
    /// Write what comes out as the new golden files. Read the difference before you commit it.
    #[arg(long)]
    pub bless: bool,
    /// One JSON object a test.
    #[arg(long)]
    pub json: bool,
}

/// `huitong send`
#[derive(Clone, Debug, Args)]
pub struct SendArguments {
    /// Files, or folders whose files are sent in the order of their names.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The listener: mllp://host:port, or http(s)://... for a POST.
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// How many messages to send in all; the files are gone round again. Default: each file once.
    #[arg(long)]
    pub count: Option<u64>,
    /// At most so many messages a second, over all connections.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Connections that send side by side, each waiting for its answers.
    #[arg(long, default_value_t = 1)]
    pub concurrency: usize,
    /// Give each message sent its own control id (MSH-10), so that none is a duplicate.
    #[arg(long)]
    pub unique: bool,
    /// How long to wait for an answer, in seconds.
    #[arg(long, default_value_t = 30)]
    pub answer_secs: u64,
    /// The answers expected; any other makes the exit code 1.
    #[arg(long, default_value = "AA,CA", value_delimiter = ',')]
    pub expect: Vec<String>,
    /// Print one JSON object with the figures.
    #[arg(long)]
    pub json: bool,
}

/// `huitong replay`
#[derive(Debug, Args)]
pub struct ReplayArguments {
    /// Message ids.
    pub ids: Vec<String>,
    /// Or those that a filter finds.
    #[command(flatten)]
    pub filter: MessageFilter,
    /// At most so many.
    #[arg(long, default_value_t = 10_000)]
    pub limit: u32,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What messages are looked for. All that is given must hold.
#[derive(Clone, Debug, Default, Args)]
pub struct MessageFilter {
    /// The channel: his/adt
    #[arg(long)]
    pub channel: Option<String>,
    /// received, committed, filtered or quarantined
    #[arg(long)]
    pub state: Option<String>,
    /// The kind of message: ADT^A01
    #[arg(long = "type", value_name = "TYPE")]
    pub message_type: Option<String>,
    /// The sender's own number: MSH-10
    #[arg(long)]
    pub control_id: Option<String>,
    /// The patient's number, as the sender writes it
    #[arg(long)]
    pub patient: Option<String>,
    /// Another business key: order=4711, or just the value
    #[arg(long, value_name = "NAME=VALUE")]
    pub key: Option<String>,
    /// Received at or after: 2026-11-23T08:00:00+08:00, or 15m, 2h, 7d ago
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Received before
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// `huitong sim`
#[derive(Debug, Args)]
pub struct SimArguments {
    /// Which partner.
    pub name: SimName,
    /// Where it sends: his -> 127.0.0.1:2575, lis -> 127.0.0.1:2576
    #[arg(long, value_name = "HOST:PORT")]
    pub to: Option<String>,
    /// Where it listens: lis (ADT feed) 127.0.0.1:2577, notify 127.0.0.1:2580
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Where its control API listens: his 127.0.0.1:2585, lis 127.0.0.1:2586; notify's is on its own address
    #[arg(long, value_name = "HOST:PORT")]
    pub control: Option<String>,
    /// Messages a second.
    #[arg(long, default_value_t = 1.0)]
    pub rate: f64,
    /// Stop after so many messages; 0 goes on for ever.
    #[arg(long, default_value_t = 0)]
    pub count: u64,
    /// The people and their stories follow from this number.
    #[arg(long, default_value_t = 20_261_122)]
    pub seed: u64,
    /// Misbehave by name; see connectors/<name>/README.md
    #[arg(long)]
    pub fault: Option<String>,
}

/// The simulators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SimName {
    /// Hospital information system: sends ADT.
    His,
    /// Laboratory: sends results, takes the ADT feed.
    Lis,
    /// The ward's notices.
    Notify,
}

/// `huitong messages`
#[derive(Debug, Args)]
pub struct MessagesArguments {
    /// A message id: shows this one whole, without its body.
    pub id: Option<String>,
    /// What to look for.
    #[command(flatten)]
    pub filter: MessageFilter,
    /// At most so many, newest first.
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
    /// With an id: print the bytes as received.
    #[arg(long, requires = "id")]
    pub raw: bool,
    /// JSON, as the API gives it.
    #[arg(long)]
    pub json: bool,
}

/// `huitong status`
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// JSON, as the API gives it.
    #[arg(long)]
    pub json: bool,
}

/// `huitong bench`
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Seconds each measurement takes.
    #[arg(long, default_value_t = 5)]
    pub secs: u64,
    /// Write the table to this file; `-` for standard output.
    #[arg(long, default_value = "docs/benchmarks.md")]
    pub out: PathBuf,
    /// Also fill a journal with a million messages and search it (takes minutes).
    #[arg(long)]
    pub million: bool,
}
