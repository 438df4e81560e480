//! What is wrong with the place a source takes messages from: told once, when it begins, changes or ends, not at each look.

use std::fmt::Display;

use tracing::{error, info};

/// What is wrong at this look, and what was at the last.
pub(crate) struct Trouble {
    /// The folder or the stream: a name from the settings. What lies in it may be named after patients, and is not told.
    place: String,
    told: Option<State>,
    now: Option<State>,
}

/// What cannot be done, and why.
type State = (&'static str, String);

impl Trouble {
    pub fn new(place: impl Into<String>) -> Self {
        Self { place: place.into(), told: None, now: None }
    }

    /// Something cannot be done, for a reason that holds no content.
    pub fn is(&mut self, what: &'static str, why: &impl Display) {
        // The first thing that is wrong is the state of this look.
        if self.now.is_some() {
            return;
        }
        let state = Some((what, why.to_string()));
        if state != self.told {
            error!(place = self.place, error = %why, "{what}");
        }
        self.now = state;
    }

    /// A look has ended.
    pub fn looked(&mut self) {
        if self.told.is_some() && self.now.is_none() {
            info!(place = self.place, "It works again.");
        }
        self.told = self.now.take();
    }
}
