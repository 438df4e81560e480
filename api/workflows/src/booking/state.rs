//! The states of a booking (BK-4).

use hub_fhir::Object;

use crate::fhir;

/// Where a booking stands: finer than FHIR's `Appointment.status`, kept beside it as a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The HIS is asked to lock the slot.
    Locking,
    /// Locked; to be paid for.
    Held,
    /// The time to pay is over: the bank is asked, its order closed, then the slot is let go.
    Releasing,
    /// Let go. Money may still come late.
    Released,
    /// Money came after the slot was let go: the HIS is asked once for the same slot.
    Relocking,
    /// Paid; the HIS is asked to register.
    PaidConfirming,
    /// Registered.
    Booked,
    /// The HIS is asked to take the registration back.
    Cancelling,
    /// The doctor does not come: the patient chooses another visit or his money.
    NeedsAction,
    /// The money goes back.
    Refunding,
    /// The money is back.
    Refunded,
    /// Cancelled without money to give back, or refused by the HIS before it was paid for.
    Cancelled,
    /// The patient has come.
    Arrived,
    /// Seen.
    Fulfilled,
    /// Did not come.
    NoShow,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Locking,
        Self::Held,
        Self::Releasing,
        Self::Released,
        Self::Relocking,
        Self::PaidConfirming,
        Self::Booked,
        Self::Cancelling,
        Self::NeedsAction,
        Self::Refunding,
        Self::Refunded,
        Self::Cancelled,
        Self::Arrived,
        Self::Fulfilled,
        Self::NoShow,
    ];

    /// Its name in the tag: `paid-confirming`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Locking => "locking",
            Self::Held => "held",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Relocking => "relocking",
            Self::PaidConfirming => "paid-confirming",
            Self::Booked => "booked",
            Self::Cancelling => "cancelling",
            Self::NeedsAction => "needs-action",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Cancelled => "cancelled",
            Self::Arrived => "arrived",
            Self::Fulfilled => "fulfilled",
            Self::NoShow => "no-show",
        }
    }

    /// FHIR's `Appointment.status` that goes with it.
    pub fn status(self) -> &'static str {
        match self {
            Self::Locking | Self::Held | Self::Releasing | Self::Relocking | Self::PaidConfirming => {
                "pending"
            }
            Self::Booked | Self::Cancelling | Self::NeedsAction => "booked",
            Self::Released | Self::Refunding | Self::Refunded | Self::Cancelled => "cancelled",
            Self::Arrived => "arrived",
            Self::Fulfilled => "fulfilled",
            Self::NoShow => "noshow",
        }
    }

    /// The state that an Appointment carries.
    pub fn of(tree: &Object) -> Option<Self> {
        let name = fhir::state(tree)?;
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Writes it into an Appointment.
    pub fn write(self, tree: &mut Object) {
        fhir::set_state(tree, self.name());
        tree.set("status", self.status());
    }

    /// Whether a slot is taken by it.
    pub fn takes_a_slot(self) -> bool {
        matches!(
            self,
            Self::Locking
                | Self::Held
                | Self::Releasing
                | Self::Relocking
                | Self::PaidConfirming
                | Self::Booked
                | Self::Cancelling
                | Self::NeedsAction
        )
    }
}
