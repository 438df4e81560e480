//! What is wrong with a folder: told once, when it begins, changes or ends, not at each look.

use std::io;
use std::path::Path;

use tracing::{error, info};

/// What is wrong at this look, and what was at the last.
#[derive(Default)]
pub(super) struct Trouble {
    told: Option<State>,
    now: Option<State>,
}

/// What cannot be done, and for what sort of reason.
type State = (&'static str, io::ErrorKind);

impl Trouble {
    /// Something cannot be done. Names of files may name patients: the folder is told, they are not.
    pub fn is(&mut self, folder: &Path, what: &'static str, error: &io::Error) {
        // The first thing that is wrong is the state of this look.
        if self.now.is_some() {
            return;
        }
        self.now = Some((what, error.kind()));
        if self.now != self.told {
            error!(folder = %folder.display(), %error, "{what}");
        }
    }

    /// A look has ended.
    pub fn looked(&mut self, folder: &Path) {
        if self.told.is_some() && self.now.is_none() {
            info!(folder = %folder.display(), "The folder can be worked with again.");
        }
        self.told = self.now.take();
    }
}
