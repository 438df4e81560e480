//! Temporary sessions 临时排班 (rules EX-6 to EX-8): a doctor sees patients at a time that no roster has.
//!
//! What clashes is told with the session it clashes with and the times that are free; a leader of the department may approve it all the
//! same, and then the HIS decides. The HIS is asked first (H309): before it has said yes there is no session here, and nothing to book.

mod clash;
mod open;

use hub_core::commit::Wake;
use hub_core::who::Role;

use crate::Workflow;
use crate::act::{Act, On, Parameter};
use crate::command::Command;
use crate::decision::{Answered, Decided, Decision};
use crate::facts::Facts;
use crate::refused::Stop;

/// The channel to the HIS.
const HIS: &str = "his/errands";

const ACTS: &[Act] = &[
    Act {
        name: "open",
        kind: "Schedule",
        on: On::Type,
        roles: &[Role::Operations, Role::Administrator],
        takes: &[
            Parameter::one("doctor", "Reference", "Who sees patients"),
            Parameter::one("department", "Reference", "For which department"),
            Parameter::maybe("room", "Reference", "In which room, a Location"),
            Parameter::one("start", "dateTime", "From when"),
            Parameter::one("end", "dateTime", "Until when, on the same day"),
            Parameter::one("clinic", "code", "`ordinary`, `international`, `vip` or `online`"),
            Parameter::one("capacity", "positiveInt", "How many patients"),
            Parameter::one("registration-fee", "Money", "The registration fee 挂号费"),
            Parameter::one("consultation-fee", "Money", "The consultation fee 诊查费"),
            Parameter::maybe(
                "ask-head",
                "boolean",
                "Where it clashes, ask a leader of the department: the answer is the Task",
            ),
            Parameter::maybe("approval", "Reference", "The Task by which a leader has approved it"),
            Parameter::maybe("reason", "string", "Why; needed where a leader is asked"),
        ],
        answers: "Schedule",
        about: "Opens a session that no roster has; the HIS must take it first",
    },
    Act {
        name: "approve",
        kind: "Task",
        on: On::Instance,
        roles: &[Role::Senior, Role::Administrator],
        takes: &[Parameter::one("reason", "string", "Why")],
        answers: "Task",
        about: "Approves a session that clashes with another one",
    },
    Act {
        name: "reject",
        kind: "Task",
        on: On::Instance,
        roles: &[Role::Senior, Role::Administrator],
        takes: &[Parameter::one("reason", "string", "Why")],
        answers: "Task",
        about: "Rejects a session that clashes with another one",
    },
];

/// The workflow of temporary sessions.
pub struct Sessions;

impl Workflow for Sessions {
    fn acts(&self) -> &'static [Act] {
        ACTS
    }

    fn events(&self) -> &'static [&'static str] {
        &["task.answered"]
    }

    fn command(&self, command: &Command, facts: &Facts) -> Decided {
        match command.act {
            "open" => open::open(command, facts),
            "approve" => open::decide(command, "accepted", facts),
            "reject" => open::decide(command, "rejected", facts),
            other => Err(Stop::Unfit(format!("`{other}` is no act of sessions"))),
        }
    }

    fn event(&self, event: &Wake, facts: &Facts) -> Result<Option<Decision>, Stop> {
        let Some(task) = facts.read(&event.subject)? else { return Ok(None) };
        let answered = Answered { task };
        match answered.act() {
            Some("session-open") => open::answered(&answered, facts).map(Some),
            _ => Ok(None),
        }
    }
}
