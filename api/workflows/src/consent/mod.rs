//! Informed consent 知情同意 (rules CON): what must be signed before an international booking, and what may be done with a person's
//! data. A template in force is shown and signed by hand; the signing service makes of it a document that nobody can change.

mod answers;
mod handwriting;
mod publish;
mod revoke;
mod sign;
mod signer;
mod template;

use hub_core::commit::Wake;
use hub_core::who::Role;
use hub_papers::Press;
use time::OffsetDateTime;

use crate::act::{Act, On, Parameter};
use crate::command::Command;
use crate::decision::{Answered, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{escaped, moment};
use crate::refused::{Refused, Stop};
use crate::{Workflow, calendar};

use template::in_force;

/// The code of the consent that bookings need.
pub const BOOKING: &str = "booking";
/// The code system of consents: [`BOOKING`], and those that are given one by one (CON-7): `health-data`, `insurer`, `cross-border`.
pub const CONSENT: &str = "urn:impf:cs:consent";
/// The channel that carries errands to the signing service.
const ESIGN: &str = "esign/errands";

const ACTS: &[Act] = &[
    Act {
        name: "start",
        kind: "Consent",
        on: On::Type,
        roles: &[Role::Patient, Role::Operations],
        takes: &[
            Parameter::maybe(
                "patient",
                "Reference",
                "Whose consent: the answer then says whether there is one in force",
            ),
            Parameter::maybe(
                "category",
                "code",
                "Which: `booking` unless told, `health-data`, `insurer`, `cross-border`",
            ),
            Parameter::maybe("language", "code", "`en`, `zh-Hans` or `zh-Hant`; the caller's unless told"),
        ],
        answers: "Parameters",
        about: "Tells the template in force with its text in a language and the fees, to be shown before it is signed",
    },
    Act {
        name: "sign",
        kind: "Consent",
        on: On::Type,
        roles: &[Role::Patient],
        takes: &[
            Parameter::one("patient", "Reference", "The visit person whom it is about"),
            Parameter::one("template", "canonical", "The template with its version, as `$start` has told it"),
            Parameter::one("language", "code", "The language of the text that was shown"),
            Parameter::one("handwriting", "base64Binary", "What was written by hand: PNG"),
            Parameter::one(
                "strokes",
                "string",
                "How it was written, JSON: a list of strokes, each a list of `[x, y, ms]`",
            ),
            Parameter::one("identity-method", "code", "How it was made sure who signs: `SMS`, `FACE`"),
            Parameter::one("identity-reference", "string", "The number of that check"),
            Parameter::one("device", "string", "The device it was signed on"),
            Parameter::maybe(
                "signer",
                "RelatedPerson",
                "Who signs for the visit person: name, relationship, paper",
            ),
            Parameter::maybe(
                "authorization",
                "Reference",
                "The power of attorney by which an agent signs for an adult",
            ),
        ],
        answers: "Consent",
        about: "Signs the consent: it is in force when the signing service has sealed the document",
    },
    Act {
        name: "revoke",
        kind: "Consent",
        on: On::Instance,
        roles: &[Role::Patient, Role::Operations],
        takes: &[Parameter::maybe("reason", "string", "Why")],
        answers: "Consent",
        about: "Takes a consent back: from now on it permits nothing; what was done stays",
    },
    Act {
        name: "publish",
        kind: "Questionnaire",
        on: On::Instance,
        roles: &[Role::Operations, Role::Administrator],
        takes: &[Parameter::one(
            "as",
            "code",
            "`author`, or `legal` for the legal reviewer (an administrator)",
        )],
        answers: "Questionnaire",
        about: "Approves a template of a consent; approved by two people it is in force, and the one before is not",
    },
];

/// The workflow of consents.
pub struct Consents {
    press: Option<Press>,
}

impl Consents {
    /// With the press that prints what is signed. Without one nothing can be signed.
    pub fn new(press: Option<Press>) -> Self {
        Self { press }
    }
}

impl Workflow for Consents {
    fn acts(&self) -> &'static [Act] {
        ACTS
    }

    fn events(&self) -> &'static [&'static str] {
        &["task.answered", "signature.reported"]
    }

    fn command(&self, command: &Command, facts: &Facts) -> Decided {
        match command.act {
            "start" => template::start(command, facts),
            "sign" => sign::sign(command, facts, self.press.as_ref()),
            "revoke" => revoke::revoke(command, facts),
            "publish" => publish::publish(command, facts),
            other => Err(Stop::Unfit(format!("`{other}` is no act of consents"))),
        }
    }

    fn event(&self, event: &Wake, facts: &Facts) -> Result<Option<Decision>, Stop> {
        let Some(subject) = facts.read(&event.subject)? else { return Ok(None) };
        if event.event.as_str() == "signature.reported" {
            return answers::reported(subject, facts).map(Some);
        }
        let answered = Answered { task: subject };
        match answered.act() {
            Some(sign::SIGN_TASK) => answers::opened(&answered, facts).map(Some),
            Some(sign::SUBMIT | answers::QUERY) => answers::signed(&answered, facts).map(Some),
            _ => Ok(None),
        }
    }
}

/// CON-1: the consent that bookings need is in force.
pub fn required(patient: &Fact, facts: &Facts) -> Result<(), Stop> {
    let template = in_force(BOOKING, facts)?;
    if template.is_some() && permits(patient, BOOKING, facts)? {
        return Ok(());
    }
    let missing = Refused::of("CONSENT_REQUIRED");
    Err(match template {
        Some(template) => missing.with(template.fact.reference()),
        None => missing.with("-"),
    }
    .into())
}

/// Whether a person's consent of this category holds now (CON-2, CON-7): it is of the template that is published now, has not been
/// taken back, and is not too old. Whoever shares data asks this each time.
pub fn permits(patient: &Fact, category: &str, facts: &Facts) -> Result<bool, Stop> {
    let Some(canonical) = in_force(category, facts)?.and_then(|template| template.canonical()) else {
        return Ok(false);
    };
    let patient = escaped(&patient.reference().to_string());
    let category = format!("{CONSENT}|{}", escaped(category));
    let query = [("patient", patient.as_str()), ("status", "active"), ("category", &category)];
    let holds = |consent: &&Fact| {
        consent.text(&["policy", "0", "uri"]) == Some(canonical.as_str())
            && moment(consent.text(&["dateTime"])).is_some_and(|at| !is_over(at, facts))
    };
    Ok(facts.search("Consent", &query)?.iter().any(holds))
}

/// Whether so many months have gone since then.
fn is_over(signed: OffsetDateTime, facts: &Facts) -> bool {
    facts.now >= calendar::months_later(signed, facts.policy.consent_months)
}
