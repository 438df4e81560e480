//! Misbehaviour by name: what a simulator does wrong when it is told to.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::SimError;

/// The faults. Which of them a simulator knows is in its README.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Sends byte by byte, or answers late.
    Slow,
    /// Takes the whole message (or sends it whole) and closes before the answer.
    DropAfterReceive,
    /// Sends the same message, or the same answer, twice.
    Duplicate,
    /// Sends bytes that belong to no frame, or an answer that is none.
    Garbage,
    /// Sends half a frame and closes.
    HalfFrame,
    /// Never answers.
    NoAck,
    /// Answers for another message.
    WrongAck,
    /// Says once that it cannot now.
    AeOnce,
    /// Refuses for good.
    Refuse,
    /// Puts two frames in one write.
    TwoInOne,
    /// Ends segments with 0x0A.
    Lf,
    /// Sends a message of more than five megabytes.
    Big,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Slow,
        Self::DropAfterReceive,
        Self::Duplicate,
        Self::Garbage,
        Self::HalfFrame,
        Self::NoAck,
        Self::WrongAck,
        Self::AeOnce,
        Self::Refuse,
        Self::TwoInOne,
        Self::Lf,
        Self::Big,
    ];

    /// Its name: `drop-after-receive`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::DropAfterReceive => "drop-after-receive",
            Self::Duplicate => "duplicate",
            Self::Garbage => "garbage",
            Self::HalfFrame => "half-frame",
            Self::NoAck => "no-ack",
            Self::WrongAck => "wrong-ack",
            Self::AeOnce => "ae-once",
            Self::Refuse => "refuse",
            Self::TwoInOne => "two-in-one",
            Self::Lf => "lf",
            Self::Big => "big",
        }
    }
}

impl std::str::FromStr for Fault {
    type Err = SimError;

    fn from_str(name: &str) -> Result<Self, SimError> {
        let found = Self::ALL.into_iter().find(|fault| fault.name() == name);
        found.ok_or_else(|| SimError::Setting {
            setting: "fault",
            what: format!("`{name}` is none of {}", Self::ALL.map(Self::name).join(", ")),
        })
    }
}

/// The faults one side of a simulator knows, and how often each is still to happen.
pub struct Faults {
    known: &'static [Fault],
    armed: Mutex<BTreeMap<Fault, u64>>,
}

impl Faults {
    /// No fault is armed yet.
    pub fn new(known: &'static [Fault]) -> Self {
        Self { known, armed: Mutex::default() }
    }

    /// Whether this side knows the fault.
    pub fn knows(&self, fault: Fault) -> bool {
        self.known.contains(&fault)
    }

    /// The fault happens the next `times` times; 0: from now on always.
    pub fn arm(&self, fault: Fault, times: u64) -> Result<(), SimError> {
        if !self.knows(fault) {
            let known = self.known.iter().map(|fault| fault.name()).collect::<Vec<_>>().join(", ");
            let what = format!("`{}` is not known here; known are {known}", fault.name());
            return Err(SimError::Setting { setting: "fault", what });
        }
        self.lock().insert(fault, if times == 0 { u64::MAX } else { times });
        Ok(())
    }

    /// The fault that happens now, if one does.
    pub fn take(&self) -> Option<Fault> {
        self.take_where(|_| true)
    }

    /// Whether this fault happens now.
    pub fn take_if(&self, fault: Fault) -> bool {
        self.take_where(|armed| armed == fault).is_some()
    }

    /// The fault that happens now, other than this one.
    pub fn take_unless(&self, fault: Fault) -> Option<Fault> {
        self.take_where(|armed| armed != fault)
    }

    fn take_where(&self, wanted: impl Fn(Fault) -> bool) -> Option<Fault> {
        let mut armed = self.lock();
        let (&fault, left) = armed.iter_mut().find(|(fault, _)| wanted(**fault))?;
        if *left != u64::MAX {
            *left -= 1;
        }
        if *left == 0 {
            armed.remove(&fault);
        }
        Some(fault)
    }

    /// No fault happens any more.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// What is armed, by name; `None` for always.
    pub fn armed(&self) -> BTreeMap<&'static str, Option<u64>> {
        let times = |left: u64| (left != u64::MAX).then_some(left);
        self.lock().iter().map(|(fault, left)| (fault.name(), times(*left))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Fault, u64>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_as_often_as_it_was_armed_for() {
        let faults = Faults::new(&[Fault::Slow]);
        faults.arm(Fault::Slow, 2).unwrap();
        assert_eq!(
            [faults.take(), faults.take(), faults.take()],
            [Some(Fault::Slow), Some(Fault::Slow), None]
        );
    }

    #[test]
    fn a_fault_the_side_does_not_know_is_refused() {
        assert!(Faults::new(&[Fault::Slow]).arm(Fault::Big, 1).is_err());
    }

    #[test]
    fn every_fault_is_found_by_its_name() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse::<Fault>().unwrap(), fault);
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
        assert!("sloow".parse::<Fault>().is_err());
    }
}
