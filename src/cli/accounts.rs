//! The command line of accounts and clients.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use hub_core::who::Role;
use hub_fhir::Reference;

use super::{reference, role};

/// `huitong account ..`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Invite a member of staff: prints a link that works once, behind which he chooses a password
    Invite(InviteArguments),
    /// Disable an account: its sessions end, its tokens within a minute
    Disable(NamedArguments),
    /// Let a disabled account sign in again
    Enable(NamedArguments),
}

/// `huitong account invite`
#[derive(Debug, Args)]
pub struct InviteArguments {
    /// The staff number: 1 to 32 letters and digits
    pub number: String,
    /// What he may be: doctor, operations, finance, ...; several times for several
    #[arg(long, value_parser = role, required = true)]
    pub role: Vec<Role>,
    /// Who he is among the resources: Practitioner/7
    #[arg(long = "for", value_name = "TYPE/ID", value_parser = reference)]
    pub is: Option<Reference>,
}

/// Whose account.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct NamedArguments {
    /// Of the member of staff with this number
    #[arg(long, value_name = "NUMBER")]
    pub staff: Option<String>,
    /// Of whoever signs in with this phone
    #[arg(long, value_name = "PHONE")]
    pub phone: Option<String>,
}

/// `huitong client ..`
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Register an app that people sign in to, or change one
    App(AppArguments),
    /// Register a system that asks for itself, or change one
    System(SystemArguments),
    /// Disable an app or a system: its sessions end; to register it anew enables it
    Disable {
        /// Its client_id
        id: String,
    },
}

/// The people an app is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Who {
    /// Patients and enterprises, by a code sent to the phone
    Patients,
    /// The hospital's people, by staff number, password and one-time password
    Staff,
}

/// `huitong client app`
#[derive(Debug, Args)]
pub struct AppArguments {
    /// Its client_id
    pub id: String,
    /// What people are told it is called
    #[arg(long)]
    pub name: String,
    /// Whom it is for
    #[arg(long = "for", value_name = "PEOPLE")]
    pub who: Who,
    /// Where people are sent back to, sign by sign; several times for several
    #[arg(long, required = true, value_name = "ADDRESS")]
    pub redirect: Vec<String>,
    /// Its public keys (a JWK Set), where it keeps a secret
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
}

/// `huitong client system`
#[derive(Debug, Args)]
pub struct SystemArguments {
    /// Its client_id
    pub id: String,
    /// What it is called
    #[arg(long)]
    pub name: String,
    /// What it may be; several times for several
    #[arg(long, value_parser = role, required = true)]
    pub role: Vec<Role>,
    /// Who it is among the resources: Organization/7
    #[arg(long = "for", value_name = "TYPE/ID", value_parser = reference)]
    pub is: Option<Reference>,
    /// Its public keys, a JWK Set
    #[arg(long, value_name = "FILE")]
    pub keys: PathBuf,
}
