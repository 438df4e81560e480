//! Misbehaviour by name and by function: what the service does wrong when it is told to.

use serde::{Deserialize, Serialize};

/// The faults of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mischief {
    /// Does it, answers late.
    Slow,
    /// Does it, never answers.
    Silent,
    /// Does it, closes the connection.
    DropAfterReceive,
    /// Does not do it, never answers.
    NotDoneTimeout,
    /// Never answers, and does it when the caller has long asked what became of it.
    DoneLate,
    /// Answers with a signature that is not right.
    WrongSignature,
    /// Does it, answers what is no XML.
    Garbage,
    /// Does it, answers in another character set than it says.
    WrongCharset,
    /// Pushes an event twice.
    DuplicatePush,
}

/// One order to misbehave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub name: Mischief,
    /// Only in this function; without one in every function.
    #[serde(default)]
    pub function: Option<String>,
    /// How often; 0: always.
    #[serde(default = "once")]
    pub times: u64,
}

/// A result code that is answered whatever the rules say.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Forced {
    #[serde(default)]
    function: Option<String>,
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default = "once")]
    times: u64,
    /// Whether it is done all the same: then the code is not what happened.
    #[serde(default)]
    pub(super) done: bool,
}

/// How late a function answers from now on.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Latency {
    #[serde(default)]
    function: Option<String>,
    millis: u64,
}

fn once() -> u64 {
    1
}

/// All orders that still stand.
#[derive(Clone, Default, Serialize)]
pub(super) struct Orders {
    pub(super) faults: Vec<Fault>,
    pub(super) forced: Vec<Forced>,
    latency: Vec<Latency>,
}

impl Orders {
    /// These faults, from the beginning.
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self { faults, ..Self::default() }
    }

    /// What goes wrong in this call, if something does.
    pub(super) fn take_fault(&mut self, function: &str) -> Option<Mischief> {
        let fits = |fault: &Fault| {
            fault.name != Mischief::DuplicatePush && fits(fault.function.as_deref(), function)
        };
        take(&mut self.faults, fits, |fault| &mut fault.times).map(|fault| fault.name)
    }

    /// Whether an event is pushed twice.
    pub(super) fn take_duplicate_push(&mut self) -> bool {
        let is_it = |fault: &Fault| fault.name == Mischief::DuplicatePush;
        take(&mut self.faults, is_it, |fault| &mut fault.times).is_some()
    }

    /// The code this call answers, if one is forced.
    pub(super) fn take_forced(&mut self, function: &str) -> Option<Forced> {
        let fits = |forced: &Forced| fits(forced.function.as_deref(), function);
        take(&mut self.forced, fits, |forced| &mut forced.times)
    }

    /// From now on a function, or every one, answers so late.
    pub(super) fn set_latency(&mut self, latency: Latency) {
        self.latency.retain(|before| before.function != latency.function);
        self.latency.push(latency);
    }

    /// How late a call is answered; its own latency goes before that of all.
    pub(super) fn latency(&self, function: &str) -> std::time::Duration {
        let own = self.latency.iter().find(|latency| latency.function.as_deref() == Some(function));
        let latency = own.or_else(|| self.latency.iter().find(|latency| latency.function.is_none()));
        std::time::Duration::from_millis(latency.map_or(0, |latency| latency.millis))
    }
}

fn fits(wanted: Option<&str>, function: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == function)
}

/// Takes the first order that fits once; one with 0 times stays for ever.
fn take<O: Clone>(
    orders: &mut Vec<O>,
    fits: impl Fn(&O) -> bool,
    times: impl Fn(&mut O) -> &mut u64,
) -> Option<O> {
    let at = orders.iter().position(fits)?;
    let taken = orders[at].clone();
    match times(&mut orders[at]) {
        0 => {}
        1 => drop(orders.remove(at)),
        left => *left -= 1,
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_for_its_function_and_so_many_times() {
        let mut orders = Orders::default();
        let fault = |function: Option<&str>, times| Fault {
            name: Mischief::Silent,
            function: function.map(str::to_owned),
            times,
        };
        orders.faults.push(fault(Some("H305"), 2));
        assert_eq!(orders.take_fault("H303"), None);
        assert_eq!(orders.take_fault("H305"), Some(Mischief::Silent));
        assert_eq!(orders.take_fault("H305"), Some(Mischief::Silent));
        assert_eq!(orders.take_fault("H305"), None);
        orders.faults.push(fault(None, 0));
        assert!((0..10).all(|_| orders.take_fault("H101").is_some()));
    }
}
