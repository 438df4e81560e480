//! Why a message could not go on: the step, the place and the reason.

use std::fmt;

/// Why a message was set aside. Holds no patient data: places are paths, reasons say what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The step that failed.
    pub step: FaultStep,
    /// Where in the message: `PID[1]-7`, `byte 120`.
    pub place: Option<String>,
    /// Which line of which file says so: `mappings/his/adt.toml:31`.
    pub rule: Option<String>,
    /// What was wrong and what was expected.
    pub reason: String,
}

/// The step of the road that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultStep {
    /// Bytes to document.
    Parse,
    /// Keep or stop.
    Filter,
    /// Document to commit.
    Map,
    /// Resources against R4B.
    Validate,
    /// Commit to store.
    Commit,
}

impl FaultStep {
    /// Its name: `parse`.
    pub fn name(self) -> &'static str {
        match self {
            FaultStep::Parse => "parse",
            FaultStep::Filter => "filter",
            FaultStep::Map => "map",
            FaultStep::Validate => "validate",
            FaultStep::Commit => "commit",
        }
    }

    /// The step of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Parse, Self::Filter, Self::Map, Self::Validate, Self::Commit]
            .into_iter()
            .find(|step| step.name() == name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.step.name())?;
        if let Some(place) = &self.place {
            write!(f, " at {place}")?;
        }
        write!(f, ": {}", self.reason)?;
        if let Some(rule) = &self.rule {
            write!(f, " ({rule})")?;
        }
        Ok(())
    }
}
