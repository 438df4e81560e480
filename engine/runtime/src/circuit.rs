//! Stops sending to a partner that fails, and finds out when it works again.

use std::collections::VecDeque;

use hub_spec::Circuit as CircuitPolicy;
use tokio::time::Instant;

/// The circuit of one destination. Pure: the moment is always given. It goes by the time that passes, not by the clock on the wall,
/// which may be set.
#[derive(Debug)]
pub struct Circuit {
    policy: CircuitPolicy,
    failures: VecDeque<Instant>,
    open_since_probe: Option<Instant>,
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Everything that is due.
    All,
    /// One parcel, to see whether the partner works again.
    One,
    /// Nothing until then.
    Wait(Instant),
}

impl Circuit {
    /// A closed circuit.
    pub fn new(policy: CircuitPolicy) -> Self {
        Self { policy, failures: VecDeque::new(), open_since_probe: None }
    }

    /// What may be sent now.
    pub fn permit(&self, now: Instant) -> Permit {
        match self.open_since_probe {
            None => Permit::All,
            Some(last) if now >= last + self.policy.probe => Permit::One,
            Some(last) => Permit::Wait(last + self.policy.probe),
        }
    }

    /// A try succeeded: the partner works.
    pub fn succeeded(&mut self) {
        self.failures.clear();
        self.open_since_probe = None;
    }

    /// A try failed because of the partner or the way to it. Says whether the circuit has opened by this.
    pub fn failed(&mut self, now: Instant) -> bool {
        if self.open_since_probe.is_some() {
            self.open_since_probe = Some(now);
            return false;
        }
        self.failures.push_back(now);
        while self.failures.front().is_some_and(|first| *first + self.policy.within < now) {
            self.failures.pop_front();
        }
        let opens = self.failures.len() >= self.policy.failures as usize;
        if opens {
            self.failures.clear();
            self.open_since_probe = Some(now);
        }
        opens
    }

    /// `closed`, `open` or `half-open`.
    pub fn name(&self, now: Instant) -> &'static str {
        match self.permit(now) {
            Permit::All => "closed",
            Permit::One => "half-open",
            Permit::Wait(_) => "open",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const POLICY: CircuitPolicy =
        CircuitPolicy { failures: 3, within: Duration::from_secs(30), probe: Duration::from_secs(15) };
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);

    fn at(seconds: u64) -> Instant {
        *START + Duration::from_secs(seconds)
    }

    #[test]
    fn it_opens_after_the_failures_of_the_policy_and_lets_one_probe_through() {
        let mut circuit = Circuit::new(POLICY);
        assert!(!circuit.failed(at(0)));
        assert!(!circuit.failed(at(1)));
        assert!(circuit.failed(at(2)));
        assert_eq!(circuit.permit(at(3)), Permit::Wait(at(17)));
        assert_eq!(circuit.permit(at(17)), Permit::One);
        assert!(!circuit.failed(at(17)));
        assert_eq!(circuit.permit(at(18)), Permit::Wait(at(32)));
        circuit.succeeded();
        assert_eq!(circuit.permit(at(33)), Permit::All);
    }

    #[test]
    fn failures_far_apart_do_not_open_it() {
        let mut circuit = Circuit::new(POLICY);
        assert!((0..10).all(|nth| !circuit.failed(at(nth * 31))));
        assert_eq!(circuit.permit(at(400)), Permit::All);
    }
}
