//! Whole flows through the real program: socket -> journal -> mapping -> store -> API -> partner.

#[path = "../harness/mod.rs"]
mod harness;

mod acknowledgements;
mod corpus;
mod operators;
mod out;
mod program;
mod simulators;
