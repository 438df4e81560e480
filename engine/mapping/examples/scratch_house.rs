//! Scratch.
#![allow(missing_docs, dead_code, clippy::print_stdout, clippy::unwrap_used)]
#[path = "../../../tests/mappings/house.rs"]
mod house;
fn main() {}
#[cfg(test)]
#[path = "../../../tests/mappings/corpus.rs"]
mod corpus;
