//! Works on input that may bring the program itself to fail, or keep it busy for long: neither harms anyone else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hub_core::envelope::Head;
use hub_core::fault::{Fault, FaultStep};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Input this large is worked on where it cannot hold up other tasks.
const LARGE_BYTES: usize = 64 << 10;

/// The program failed, which is a fault of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

impl Failed {
    /// What is said of the input at which it failed, without content.
    pub(crate) fn fault(self) -> Fault {
        let reason = "the program failed at this message; its log tells where".to_owned();
        Fault { step: FaultStep::Map, place: None, rule: None, reason }
    }
}

/// Does a step over so many bytes of input. It may fail, and it may take long.
pub(crate) fn guarded<T>(bytes: usize, step: impl FnOnce() -> T) -> Result<T, Failed> {
    let is_large = bytes > LARGE_BYTES
        && Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    let step = AssertUnwindSafe(step);
    let done = if is_large { tokio::task::block_in_place(|| catch_unwind(step)) } else { catch_unwind(step) };
    done.map_err(|_| Failed)
}

/// The same for a message: one at which the program fails is set aside like any other that cannot be read. It harms no other,
/// and not the next start either.
pub(crate) fn guarded_message<T>(
    head: &Head,
    bytes: usize,
    step: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    guarded(bytes, step).unwrap_or_else(|failed| {
        tracing::error!(channel = %head.channel, message_id = %head.id, "The program failed at a message; this is a fault of the program.");
        Err(failed.fault())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_large_input_holds_up_no_other_task() {
        let (sender, receiver) = mpsc::channel();
        let working = tokio::spawn(async move {
            tokio::spawn(async move { sender.send(()) });
            // The one worker of the runtime is here; the other task runs all the same.
            guarded(LARGE_BYTES + 1, || receiver.recv_timeout(Duration::from_secs(60)))
        });
        assert_eq!(working.await.unwrap().unwrap(), Ok(()));
    }
}
