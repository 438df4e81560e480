//! Who asks: access tokens, and what they prove.
//!
//! So far there are the tokens of the command line ([`local`]): whoever can read a node's data folder may act in any role for a short
//! while. Invariant: no token, key or name of a person gets into a log or an error.

pub mod local;
mod token;
