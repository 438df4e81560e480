//! What the signing service answers, and what it tells by itself: a consent is in force when its document is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_fhir::{Json, Object, Reference, tree};

use super::ESIGN;
use super::sign::{SUBMIT, extension as signed_by};
use crate::command::Command;
use crate::decision::{Answered, Ask, Decided, Decision, Ending};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, concept, extension, identifier, number, points_at, set_number, token};
use crate::refused::{Refused, Stop};

/// The signing service is asked how a task stands that somebody has signed on its own page.
pub(super) const QUERY: &str = "consent-query";
/// The service's numbers: of a task, and of what proves a signature.
const TASK: &str = "urn:impf:esign:task";
const EVIDENCE: &str = "urn:impf:esign:evidence";
/// The service's words for how a task stands.
const STANDING: &str = "urn:impf:cs:esign";
/// The SM3 hash of a signed document.
const SM3: &str = "urn:impf:ext:sm3";
const IDENTITY_CHECK: &str = "urn:impf:ext:identity-check";
/// What a signature is for: consent (ASTM E1762-95, 1.2.840.10065.1.12.1.7).
const CONSENT_SIGNATURE: (&str, &str) = ("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.7");

/// The consent that an errand is about, and its status.
fn consent_of<'f>(answered: &Answered<'_>, facts: &'f Facts) -> Result<(&'f Fact, &'f str), Stop> {
    let consent = answered.focus().ok_or_else(|| Stop::Unfit("an errand about nothing".to_owned()))?;
    let consent = facts.must(&consent)?;
    Ok((consent, consent.text(&["status"]).unwrap_or_default()))
}

fn document<'f>(consent: &Fact, facts: &'f Facts) -> Result<&'f Fact, Stop> {
    let document = points_at(consent.tree().get("sourceReference"));
    facts.must(&document.ok_or_else(|| Stop::Unfit(format!("`{}` has no document", consent.reference())))?)
}

/// The service has taken the document, or not: then it is asked to sign it.
pub(super) fn opened(answered: &Answered<'_>, facts: &Facts) -> Decided {
    let (consent, status) = consent_of(answered, facts)?;
    let mut decision = Decision::default();
    if status != "proposed" {
        return Ok(decision);
    }
    let (true, Some(task)) = (answered.is_done(), answered.output("taskId")) else {
        failed(&mut decision, answered, consent);
        return Ok(decision);
    };
    decision.update(consent, |tree| set_number(tree, TASK, task));
    let content =
        |nth: &str| document(consent, facts).map(|it| it.text(&["content", nth, "attachment", "data"]));
    let strokes = STANDARD.decode(content("2")?.unwrap_or_default()).unwrap_or_default();
    let said = |url| {
        let text = extension(consent.tree(), url).and_then(|it| it.get("valueString")?.as_str());
        text.unwrap_or_default().to_owned()
    };
    let command = answered.command();
    let ask = Ask {
        channel: ESIGN,
        act: SUBMIT,
        key: consent.id().as_str(),
        focus: &consent.reference(),
        patient: points_at(consent.tree().get("patient")),
        command: command.as_ref(),
        inputs: &[
            ("task-id", task.to_owned()),
            ("handwriting", content("1")?.unwrap_or_default().to_owned()),
            ("strokes", String::from_utf8(strokes).unwrap_or_default()),
            ("identity-method", said(signed_by::IDENTITY_METHOD)),
            ("identity-reference", said(signed_by::IDENTITY_REFERENCE)),
            ("ip", said(signed_by::ADDRESS)),
            ("device", said(signed_by::DEVICE)),
        ],
    };
    decision.ask(facts.now, &ask)?;
    Ok(decision)
}

/// The service has signed, or not.
pub(super) fn signed(answered: &Answered<'_>, facts: &Facts) -> Decided {
    let (consent, status) = consent_of(answered, facts)?;
    let mut decision = Decision::default();
    let pdf = answered.output("pdf").filter(|_| answered.output("state") == Some("SIGNED"));
    match (status, pdf) {
        ("proposed", Some(pdf)) => {
            in_force(&mut decision, answered, consent, pdf, facts)?;
            end(&mut decision, answered, &Ending::Resource(consent.reference()));
        }
        // Nobody knew, and who waited was told so; it is signed all the same.
        ("rejected", Some(pdf)) => in_force(&mut decision, answered, consent, pdf, facts)?,
        ("proposed", None) => failed(&mut decision, answered, consent),
        // The notice and the answer say the same: the second finds it done.
        _ => {}
    }
    Ok(decision)
}

fn end(decision: &mut Decision, answered: &Answered<'_>, ending: &Ending) {
    if let Some(command) = answered.command() {
        decision.end(&command, ending);
    }
}

/// The consent is in force, its document the signed one, and a Provenance says by whom.
fn in_force(
    decision: &mut Decision,
    answered: &Answered<'_>,
    consent: &Fact,
    pdf: &str,
    facts: &Facts,
) -> Result<(), Stop> {
    let said = |name| answered.output(name).unwrap_or_default();
    let now = fhir::instant(facts.now);
    let at = Some(said("signedAt")).filter(|at| !at.is_empty()).unwrap_or(&now);
    let document = document(consent, facts)?;
    let signer = consent.tree().get("performer").and_then(|all| points_at(all.items().first()));
    let signer =
        signer.ok_or_else(|| Stop::Unfit(format!("`{}` is signed by nobody", consent.reference())))?;
    decision.update(document, |tree| {
        set_number(tree, EVIDENCE, said("evidenceNo"));
        tree.set("docStatus", "final");
        if let Some(Json::Array(contents)) = tree.get_mut("content")
            && let Some(Json::Object(attachment)) = contents.first_mut().and_then(|first| match first {
                Json::Object(content) => content.get_mut("attachment"),
                _ => None,
            })
        {
            attachment.set("data", pdf);
            fhir::set_extension(attachment, SM3, ("valueString", said("fileHash").into()));
        }
    });
    decision.update(consent, |tree| {
        tree.set("status", "active");
        tree.set("dateTime", at);
        let mut verification = tree! { "verified" => true, "verificationDate" => at };
        fhir::set_extension(&mut verification, IDENTITY_CHECK, ("valueString", said("identityCheck").into()));
        tree.put("verification", [verification]);
    });
    let (system, code) = CONSENT_SIGNATURE;
    let provenance = tree! {
        "target" => [&consent.reference(), &document.reference()],
        "occurredDateTime" => at,
        "recorded" => now.as_str(),
        "activity" => concept(STANDING, "SIGNED"),
        "agent" => [tree! { "who" => &signer }],
        "signature" => [tree! {
            "type" => [tree! { "system" => system, "code" => code }],
            "when" => at,
            "who" => &signer,
            "targetFormat" => "application/pdf",
            "sigFormat" => "application/pkcs7-signature",
        }],
    };
    let id = hub_fhir::Id::of_parts(["signature", consent.id().as_str()]);
    decision.ensure("Provenance", id, provenance)?;
    Ok(())
}

/// Nothing was signed: the consent is none, and who waits is told why.
fn failed(decision: &mut Decision, answered: &Answered<'_>, consent: &Fact) {
    decision.update(consent, |tree| tree.set("status", "rejected"));
    let why = match (answered.is_done(), answered.why()) {
        (false, Some("1005")) => Refused::of("IDENTITY"),
        (false, Some("1006")) => Refused::of("SIGN_EXPIRED"),
        (false, Some("given-up" | "in-doubt" | "unreadable")) | (false, None) => Refused::of("PARTNER_DOWN"),
        _ => Refused::of("SIGN_REFUSED"),
    };
    end(decision, answered, &Ending::Refused(why));
}

/// A notice of the service (ES08): its Provenance names the task and how it has ended.
pub(super) fn reported(notice: &Fact, facts: &Facts) -> Decided {
    let task = notice.tree().get("target").and_then(|all| all.items().first());
    let task = task.and_then(|one| one.at(&["identifier", "value"])?.as_str());
    let task = task.ok_or_else(|| Stop::Unfit("a notice about no task".to_owned()))?;
    let found = facts.search("Consent", &[("identifier", &token(TASK, task))])?;
    let mut decision = Decision::default();
    let Some(consent) = found.into_iter().find(|consent| number(consent.tree(), TASK) == Some(task)) else {
        return Ok(decision);
    };
    let is_waiting = match consent.text(&["status"]) {
        Some("proposed") => true,
        Some("rejected") => false,
        _ => return Ok(decision),
    };
    let is_signed = fhir::code(notice.tree().get("activity"), STANDING) == Some("SIGNED");
    let submit = Decision::errand(SUBMIT, consent.id().as_str())?;
    let command = command_of(facts.read(&submit)?);
    if is_signed {
        // The notice brings no document: it is fetched.
        let ask = Ask {
            channel: ESIGN,
            act: QUERY,
            key: consent.id().as_str(),
            focus: &consent.reference(),
            patient: points_at(consent.tree().get("patient")),
            command: command.as_ref(),
            inputs: &[("task-id", task.to_owned())],
        };
        decision.ask(facts.now, &ask)?;
    } else if is_waiting {
        decision.update(consent, |tree| tree.set("status", "rejected"));
        if let Some(command) = command {
            decision.end(&command, &Ending::Refused(Refused::of("SIGN_REFUSED")));
        }
    }
    Ok(decision)
}

/// The command that an errand's answer is waited for by.
fn command_of(task: Option<&Fact>) -> Option<Reference> {
    Answered { task: task? }.command()
}

/// A Provenance of what somebody did to a consent or a template, with his reason.
pub(super) fn record(
    decision: &mut Decision,
    command: &Command,
    target: &Reference,
    act: &str,
    facts: &Facts,
) -> Result<(), Stop> {
    let now = fhir::instant(facts.now);
    let who: Object = match command.agent() {
        Some(agent) => tree! { "who" => agent },
        None => {
            tree! { "who" => tree! { "identifier" => identifier(fhir::system::ACT, command.who.account.as_str()) } }
        }
    };
    let reason = command.text("reason").map(|reason| vec![tree! { "text" => reason }]);
    let mut tree = tree! {
        "target" => [target],
        "occurredDateTime" => now.as_str(),
        "recorded" => now.as_str(),
        "activity" => concept(fhir::system::ACT, act),
        "agent" => [who],
    };
    tree.put("reason", reason);
    decision.ensure("Provenance", command.id(act), tree)?;
    Ok(())
}
