//! The business: what happens when somebody asks for something, when a partner answers, when time passes.
//!
//! A [`Workflow`] decides; it does not do. It is given a [`Command`] or an event and the [`Facts`] it asks for, and says by a
//! [`Decision`] what is to be written, what partners are asked ([`decision::Errand`]) and what is to be raised later. Its state is FHIR
//! resources and nothing else. Deciding the same twice changes nothing the second time.
//!
//! In reading order: [`act`] says what can be asked for; [`command`] is one that was asked; [`facts`] is what is known, and asks for
//! what is not; [`decision`] is what comes of it, [`refused`] why nothing does; [`policy`] holds the numbers a hospital may set.
//!
//! Invariant: pure. No I/O, no clock, no chance: the same event and facts make the same decision.

pub mod act;
pub mod alarm;
pub mod booking;
pub mod calendar;
pub mod command;
pub mod consent;
pub mod decision;
mod definition;
pub mod exclusive;
pub mod facts;
pub mod fhir;
pub mod money;
pub mod notice;
pub mod payment;
pub mod person;
pub mod policy;
pub mod refused;
pub mod sending;
pub mod session;

use hub_core::commit::Wake;

pub use act::{Act, On, Parameter};
pub use command::Command;
pub use decision::Decision;
pub use facts::{Fact, Facts, Need};
pub use policy::Policy;
pub use refused::{Refused, Stop};

/// What deciding comes to.
pub type Decided = Result<Decision, Stop>;

/// One business process.
pub trait Workflow: Send + Sync + 'static {
    /// What can be asked of it.
    fn acts(&self) -> &'static [Act];

    /// The events it acts on: `task.answered`. Several may act on the same: each takes what is its own and leaves the rest.
    fn events(&self) -> &'static [&'static str];

    /// Decides a command, one of [`Workflow::acts`].
    fn command(&self, command: &Command, facts: &Facts) -> Decided;

    /// Decides an event, one of [`Workflow::events`]. `None`: it is not this one's.
    fn event(&self, event: &Wake, facts: &Facts) -> Result<Option<Decision>, Stop>;
}
