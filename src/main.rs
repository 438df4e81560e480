//! `huitong`, the program: reads the command line and hands each command to its file.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks on its standard streams"
)]

mod accounts;
mod archive;
mod attachments;
mod bench;
mod bundle;
mod business;
mod check;
mod cli;
mod client;
mod connectors;
mod demo;
mod deploy;
mod deployer;
mod deployments;
mod folder;
mod hub;
mod init;
mod log;
mod map;
mod messages;
mod migrate;
mod out;
mod paint;
mod press;
mod replay;
mod retry;
mod run;
mod schema;
mod secrets;
mod send;
mod settings;
mod shelf;
mod sign_in;
mod sim;
mod skip;
mod status;
mod stop;
mod table;
mod test;
mod token;
mod vacuum;
mod who;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};
use crate::settings::WrongSettings;

/// What a command ends with when what people wrote is wrong (`EX_USAGE` of sysexits).
pub const EXIT_WRONG_FILES: u8 = 64;

fn main() -> ExitCode {
    log::panics_without_content();
    let cli = Cli::parse();
    if cli.command.only_prints() {
        // `huitong messages | head` ends quietly when head has seen enough. Never for commands that serve: a peer that hangs up
        // must not end the hub.
        sigpipe::reset();
    }
    hub_transport::install_crypto_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the program could not start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(perform(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}: {error:#}", paint::error("error"));
            if error.downcast_ref::<WrongSettings>().is_some() {
                ExitCode::from(EXIT_WRONG_FILES)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

async fn perform(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        Command::Run(arguments) => run::run(&global, arguments).await,
        Command::Demo(arguments) => demo::run(&global, arguments).await,
        Command::Init(arguments) => init::run(&global, arguments),
        Command::Check(arguments) => check::run(&global, &arguments),
        Command::Test(arguments) => test::run(&global, &arguments).await,
        Command::Map(command) => map::run(&global, command).await,
        Command::Schema(arguments) => schema::run(&global, &arguments),
        Command::Send(arguments) => send::run(arguments).await,
        Command::Replay(arguments) => replay::run(&global, arguments).await,
        Command::Skip(arguments) => skip::run(&global, arguments).await,
        Command::Retry(arguments) => retry::run(&global, arguments).await,
        Command::Deploy(arguments) => deploy::run(&global, arguments).await,
        Command::Rollback(arguments) => deploy::roll_back(&global, arguments).await,
        Command::Deployments(arguments) => deployments::run(&global, arguments).await,
        Command::Archive(command) => archive::run(&global, command).await,
        Command::Vacuum => vacuum::run(&global).await,
        Command::Migrate(arguments) => migrate::run(&global, arguments).await,
        Command::Sim(arguments) => sim::run(arguments).await,
        Command::Messages(arguments) => messages::run(&global, arguments).await,
        Command::Account(command) => accounts::account(&global, command).await,
        Command::Client(command) => accounts::client(&global, command).await,
        Command::Audit { json } => accounts::audit(&global, json).await,
        Command::Token(arguments) => token::run(&global, &arguments),
        Command::Status(arguments) => status::run(&global, arguments).await,
        Command::Bench(arguments) => bench::run(&global, arguments).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "huitong", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}
