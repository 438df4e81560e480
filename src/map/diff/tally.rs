//! Counts differences by field, with a few examples of each: what is held does not grow with the journal.

use std::collections::BTreeMap;

use hub_core::fault::Fault;
use hub_core::id::MessageId;

use crate::map::compare::Difference;

/// What one message showed.
pub enum Seen {
    /// Both sides are the same.
    Unchanged,
    /// They differ.
    Changed(Vec<Difference>),
    /// It was mapped before and is set aside now.
    NewlyFailing(Fault),
    /// It was set aside before, for this reason where it is known, and is mapped now.
    NewlyPassing(Option<Fault>),
    /// It is set aside on both sides.
    StillFailing(Fault),
}

/// All that was seen.
pub struct Tally {
    most_samples: usize,
    with_values: bool,
    pub looked_at: u64,
    pub filtered: u64,
    pub unchanged: u64,
    pub changed: u64,
    pub newly_failing: u64,
    pub newly_passing: u64,
    pub still_failing: u64,
    /// By field: `Patient.name.family`.
    pub fields: BTreeMap<String, Field>,
    /// By whether they are new, the rule and the reason.
    pub faults: BTreeMap<Reason, FaultSeen>,
}

/// Why messages are set aside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    pub when: When,
    pub rule: String,
    pub reason: String,
}

/// On which side messages are set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    NewlyFailing,
    NewlyPassing,
    StillFailing,
}

/// One reason, as often as it was met.
#[derive(Default)]
pub struct FaultSeen {
    pub count: u64,
    /// A few messages, with the places of their faults.
    pub samples: Vec<(MessageId, String)>,
}

/// One field that differs.
#[derive(Default)]
pub struct Field {
    /// Messages in which it differs.
    pub messages: u64,
    pub changed: u64,
    pub added: u64,
    pub removed: u64,
    pub samples: Vec<Sample>,
}

/// An example.
pub struct Sample {
    pub message: MessageId,
    /// `Observation(2).valueQuantity.value`
    pub place: String,
    /// Nothing where values are not shown, or where there was none.
    pub old: Option<String>,
    pub new: Option<String>,
}

impl Tally {
    pub fn new(most_samples: usize, with_values: bool) -> Self {
        Self {
            most_samples,
            with_values,
            looked_at: 0,
            filtered: 0,
            unchanged: 0,
            changed: 0,
            newly_failing: 0,
            newly_passing: 0,
            still_failing: 0,
            fields: BTreeMap::new(),
            faults: BTreeMap::new(),
        }
    }

    /// Whether samples hold values of messages.
    pub fn has_values(&self) -> bool {
        self.with_values && self.most_samples > 0 && !self.fields.is_empty()
    }

    /// Counts a message.
    pub fn take(&mut self, id: MessageId, seen: Seen) {
        self.looked_at += 1;
        match seen {
            Seen::Unchanged => self.unchanged += 1,
            Seen::Changed(differences) => {
                self.changed += 1;
                self.differences(id, differences);
            }
            Seen::NewlyFailing(fault) => {
                self.newly_failing += 1;
                self.fault(id, When::NewlyFailing, fault);
            }
            Seen::NewlyPassing(fault) => {
                self.newly_passing += 1;
                if let Some(fault) = fault {
                    self.fault(id, When::NewlyPassing, fault);
                }
            }
            Seen::StillFailing(fault) => {
                self.still_failing += 1;
                self.fault(id, When::StillFailing, fault);
            }
        }
    }

    fn differences(&mut self, id: MessageId, differences: Vec<Difference>) {
        let mut in_this: Vec<String> = Vec::new();
        for one in differences {
            let name = one.field();
            let field = self.fields.entry(name.clone()).or_default();
            if !in_this.contains(&name) {
                field.messages += 1;
                in_this.push(name);
            }
            match (&one.old, &one.new) {
                (Some(_), Some(_)) => field.changed += 1,
                (None, _) => field.added += 1,
                (Some(_), None) => field.removed += 1,
            }
            if field.samples.len() < self.most_samples {
                let place = if one.name.is_empty() { one.path } else { format!("{}.{}", one.name, one.path) };
                let value = |value: Option<String>| value.filter(|_| self.with_values);
                field.samples.push(Sample { message: id, place, old: value(one.old), new: value(one.new) });
            }
        }
    }

    fn fault(&mut self, id: MessageId, when: When, fault: Fault) {
        let reason = Reason { when, rule: fault.rule.unwrap_or_default(), reason: fault.reason };
        let seen = self.faults.entry(reason).or_default();
        seen.count += 1;
        if seen.samples.len() < self.most_samples {
            seen.samples.push((id, fault.place.unwrap_or_default()));
        }
    }
}
