//! Scratch.
#![allow(warnings)]
mod corpus;
mod house;
mod laws;
fn main() {}
