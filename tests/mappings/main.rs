//! The house's mappings: they compile, hold the laws over every fixture, and stand comparison with the official tables
//! and with other converters.

#![expect(clippy::print_stdout, reason = "reports, and what was not run, are said aloud")]

mod against;
mod corpus;
mod formats;
mod house;
mod laws;
mod rows;
mod upkeep;
