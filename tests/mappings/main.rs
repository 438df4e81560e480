//! The house's mappings: they compile, hold the laws over every fixture, and stand comparison with the official tables
//! and with other converters.

mod against;
mod corpus;
mod house;
mod laws;
mod upkeep;
