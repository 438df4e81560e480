//! What happens to a message that fails, and to those behind it.

use std::time::Duration;

use hub_core::finding::FindingKind;

use crate::keys::DAY_SECS;
use crate::sheet::{Section, Sheet};

/// What a channel says of messages that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnFault {
    /// What happens in the end.
    pub then: Then,
    /// How often a message is tried before, where the fault may pass. At least 1.
    pub tries: u32,
    /// The wait before each further try.
    pub pause: Duration,
}

/// What happens to a message that has failed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Then {
    /// It is set aside for a person, and the next one goes on.
    #[default]
    SetAside,
    /// Its lane stands: it and those behind it wait for a person, in their order. Other lanes go on.
    Stop,
}

impl Then {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::SetAside, Self::Stop];

    /// Its name in a channel file: `set_aside`.
    pub fn name(self) -> &'static str {
        match self {
            Self::SetAside => "set_aside",
            Self::Stop => "stop",
        }
    }
}

impl Default for OnFault {
    fn default() -> Self {
        Self { then: Then::default(), tries: 1, pause: Duration::from_secs(5) }
    }
}

impl OnFault {
    /// Reads `[on_fault]`.
    pub(crate) fn read(sheet: &mut Sheet, table: &Section<'_>) -> Self {
        let known = Self::default();
        let then = table.word(sheet, "then", &Then::ALL.map(Then::name)).map(|word| word.value);
        let then = Then::ALL.into_iter().find(|one| then.as_deref() == Some(one.name()));
        let tries = table.number(sheet, "tries", 1, 1000);
        let tries = tries.and_then(|tries| u32::try_from(tries.value).ok()).unwrap_or(known.tries);
        let pause = table.number(sheet, "pause_secs", 1, DAY_SECS);
        if let Some(pause) = pause.as_ref().filter(|_| tries == 1) {
            let message = "`pause_secs` is the wait before a further try, and there is one try only";
            let help = Some("add for example: tries = 5".to_owned());
            sheet.report_with(FindingKind::MissingKey, &pause.span, message.to_owned(), help);
        }
        Self {
            then: then.unwrap_or(known.then),
            tries,
            pause: pause.map_or(known.pause, |pause| Duration::from_secs(pause.value)),
        }
    }
}
