//! What the simulators share: the people of the seed, a hand-written HL7 writer, MLLP framing, faults, the control API.
//!
//! A connector never uses another connector, and a simulator never uses the hub's own encoder, framing or client: two
//! ends that share one mistake agree. So the simulators' common parts live here, in a crate that uses nothing of the
//! engine; only `sim.rs` of a connector uses it. In reading order:

pub mod board;
pub mod charset;
pub mod check_digit;
pub mod clock;
pub mod control;
pub mod course;
pub mod cut;
pub mod dice;
pub mod fault;
pub mod framing;
pub mod listener;
pub mod person;
pub mod post;
pub mod reader;
pub mod script;
pub mod sender;
pub mod visit;
pub mod world;
pub mod writer;

use thiserror::Error;

/// Why a simulator could not start.
#[derive(Debug, Error)]
pub enum SimError {
    /// A setting does not fit.
    #[error("the simulator's setting `{setting}` is wrong: {what}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong and what was expected.
        what: String,
    },
    /// An address is taken, or is not this machine's.
    #[error("the simulator could not listen on `{address}`")]
    Listen {
        /// The address asked for.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
