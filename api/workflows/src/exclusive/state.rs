//! The states of a request (EX-3).

use hub_fhir::Object;

use crate::fhir;

/// Where a request stands: a tag beside FHIR's `Appointment.status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// 待处理
    Requested,
    /// 处理中: one person looks after it.
    Claimed,
    /// 已排期: the time is fixed; with a slot it is to be paid for.
    Scheduled,
    /// 已确认
    Confirmed,
    /// 已就诊/已到检
    Done,
    /// 已取消
    Withdrawn,
    /// 未成行
    NotDone,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Requested,
        Self::Claimed,
        Self::Scheduled,
        Self::Confirmed,
        Self::Done,
        Self::Withdrawn,
        Self::NotDone,
    ];

    /// Its name in the tag: none is a name of an ordinary booking's state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Claimed => "claimed",
            Self::Scheduled => "scheduled",
            Self::Confirmed => "confirmed",
            Self::Done => "done",
            Self::Withdrawn => "withdrawn",
            Self::NotDone => "not-done",
        }
    }

    /// FHIR's `Appointment.status` that goes with it. What is confirmed stays `proposed`: where there is a slot, the visit is an
    /// Appointment of its own.
    fn status(self) -> &'static str {
        match self {
            Self::Requested | Self::Claimed | Self::Scheduled | Self::Confirmed => "proposed",
            Self::Done => "fulfilled",
            Self::Withdrawn => "cancelled",
            Self::NotDone => "noshow",
        }
    }

    /// The state that a request carries; `None`: it is no request.
    pub fn of(tree: &Object) -> Option<Self> {
        let name = fhir::state(tree)?;
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Writes it into a request.
    pub(super) fn write(self, tree: &mut Object) {
        fhir::set_state(tree, self.name());
        tree.set("status", self.status());
    }

    /// Whether nothing comes after it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Withdrawn | Self::NotDone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_is_one_of_an_ordinary_booking() {
        for state in State::ALL {
            assert!(crate::booking::State::ALL.iter().all(|other| other.name() != state.name()), "{state:?}");
        }
    }
}
