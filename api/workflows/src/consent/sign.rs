//! `Consent/$sign`: the document is printed with what was written by hand, and the signing service is asked to take it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_core::language::Language;
use hub_fhir::{Id, Object, Reference, tree};
use hub_papers::Press;
use hub_papers::consent::ConsentPaper;

use super::handwriting::Handwriting;
use super::signer::{Signer, Somebody, signer, visit_person};
use super::template::{TEMPLATES, Template, in_force};
use super::{BOOKING, CONSENT, ESIGN};
use crate::calendar;
use crate::command::Command;
use crate::decision::{Answer, Ask, Decided, Decision, kind_of};
use crate::facts::{Fact, Facts};
use crate::fhir;
use crate::money::Money;
use crate::person::acting_for;
use crate::refused::{Refused, Stop};

/// The signing service is asked to take a document (ES03).
pub(super) const SIGN_TASK: &str = "consent-sign-task";
/// It is asked to sign it (ES04).
pub(super) const SUBMIT: &str = "consent-submit";
/// The kinds of documents: `consent`, `power-of-attorney`.
pub(super) const DOCUMENT: &str = "urn:impf:cs:document";
/// The extensions of a Consent that say how it was signed (interfaces §25.7).
pub(super) mod extension {
    pub const LANGUAGE: &str = "urn:impf:ext:language";
    pub const PRICE_ACKNOWLEDGED: &str = "urn:impf:ext:price-acknowledged";
    pub const ADDRESS: &str = "urn:impf:ext:network-address";
    pub const DEVICE: &str = "urn:impf:ext:device";
    pub const IDENTITY_METHOD: &str = "urn:impf:ext:identity-method";
    pub const IDENTITY_REFERENCE: &str = "urn:impf:ext:identity-reference";
}

/// What is known when somebody signs.
struct Signing<'c> {
    command: &'c Command,
    facts: &'c Facts,
    patient: &'c Fact,
    template: Template<'c>,
    canonical: String,
    language: Language,
    visit_person: Somebody,
    signer: Signer,
    handwriting: Handwriting,
    consent: Reference,
    document: Reference,
}

pub(super) fn sign(command: &Command, facts: &Facts, press: Option<&Press>) -> Decided {
    let patient = acting_for(command, facts, &command.need_reference("patient", "Patient")?)?;
    let canonical = command.need_text("template")?;
    let category = canonical.strip_prefix(TEMPLATES).and_then(|rest| rest.split('|').next());
    let category = category.ok_or_else(|| Refused::field("CONSENT_VERSION", "template"))?;
    // What was shown must be what is in force now: a new version is read anew (CON-2).
    let template = in_force(category, facts)?;
    let template = template.filter(|template| template.canonical().as_deref() == Some(canonical));
    let template = template.ok_or_else(|| Refused::field("CONSENT_VERSION", "template"))?;
    command.need_text("language")?;
    for needed in ["identity-method", "identity-reference", "device"] {
        command.need_text(needed)?;
    }
    let signing = Signing {
        command,
        facts,
        patient,
        template,
        canonical: canonical.to_owned(),
        language: super::template::language(command)?,
        visit_person: visit_person(patient)?,
        signer: signer(command, patient, facts)?,
        handwriting: Handwriting::of(command, facts.policy.signature_strokes)?,
        consent: fhir::reference(kind_of("Consent")?, command.id("consent")),
        document: fhir::reference(kind_of("DocumentReference")?, command.id("document")),
    };
    let press = press.ok_or_else(|| Refused::of("PARTNER_DOWN"))?;
    let pdf = STANDARD.encode(signing.paper()?.print(press).map_err(|why| match why {
        hub_papers::Unprintable::Handwriting => {
            Stop::from(Refused::field("HANDWRITING", "handwriting").with(facts.policy.signature_strokes))
        }
        hub_papers::Unprintable::Fonts => Stop::Unfit(why.to_string()),
    })?);
    let mut decision = Decision::default();
    let performer = match &signing.signer {
        Signer::Himself => patient.reference(),
        Signer::Another { tree, key, .. } => {
            let id = Id::of_parts(["signer", patient.id().as_str(), key]);
            decision.ensure("RelatedPerson", id, tree.clone())?
        }
    };
    decision.create("DocumentReference", signing.document.id.clone(), signing.document(&pdf, &performer))?;
    decision.create("Consent", signing.consent.id.clone(), signing.consent(category, &performer))?;
    let ask = Ask {
        channel: ESIGN,
        act: SIGN_TASK,
        key: signing.consent.id.as_str(),
        focus: &signing.consent,
        patient: Some(patient.reference()),
        command: Some(&command.task()),
        inputs: &signing.inputs(pdf, &performer),
    };
    decision.ask(facts.now, &ask)?;
    Ok(decision.answered(Answer::Pending))
}

impl Signing<'_> {
    /// Who signs: himself, or the other.
    fn somebody(&self) -> (&Somebody, Option<&str>) {
        match &self.signer {
            Signer::Himself => (&self.visit_person, None),
            Signer::Another { somebody, relation, .. } => (somebody, Some(relation)),
        }
    }

    fn paper(&self) -> Result<ConsentPaper, Stop> {
        let text = self.template.text(self.language);
        let text = text.ok_or_else(|| Refused::field("LANGUAGE", "language"))?;
        let master = self.template.text(Language::Simplified);
        let master = master.ok_or_else(|| Stop::Unfit("a template without its master text".to_owned()))?;
        let fees = self.template.fees(self.language).ok_or_else(|| Refused::field("LANGUAGE", "language"))?;
        let (signer, relation) = self.somebody();
        Ok(ConsentPaper {
            number: self.consent.id.to_string(),
            form: self.canonical.clone(),
            organization: self.template.fact.text(&["publisher"]).unwrap_or_default().to_owned(),
            language: self.language,
            text,
            master,
            fees: fees.into_iter().map(|(name, price)| (name, amount(price))).collect(),
            visit_person: self.visit_person.name.clone(),
            signer: signer.name.clone(),
            relation: relation.map(str::to_owned),
            handwriting: self.handwriting.png.clone(),
            at: self.facts.now,
        })
    }

    /// The document, with what was written by hand beside it (CON-3). Its first content becomes the signed one.
    fn document(&self, pdf: &str, author: &Reference) -> Object {
        let now = fhir::instant(self.facts.now);
        let attachment = |kind: &str, title: &str, data: &str| {
            tree! { "attachment" => tree! {
                "contentType" => kind, "language" => self.language.tag(), "data" => data, "title" => title, "creation" => now.as_str(),
            } }
        };
        tree! {
            "status" => "current",
            "docStatus" => "preliminary",
            "type" => fhir::concept(DOCUMENT, "consent"),
            "subject" => &self.patient.reference(),
            "date" => now.as_str(),
            "author" => [author],
            "content" => [
                attachment("application/pdf", "consent", pdf),
                attachment("image/png", "handwriting", &STANDARD.encode(&self.handwriting.png)),
                attachment("application/json", "strokes", &STANDARD.encode(&self.handwriting.strokes)),
            ],
        }
    }

    fn consent(&self, category: &str, performer: &Reference) -> Object {
        let now = self.facts.now;
        let ends = calendar::months_later(now, self.facts.policy.consent_months);
        let scope = if category == BOOKING { "treatment" } else { "patient-privacy" };
        let has_fees = self.template.fees(self.language).is_some_and(|fees| !fees.is_empty());
        let said = |name: &str| self.command.text(name).unwrap_or_default().to_owned();
        let text = |url: &str, value: String| tree! { "url" => url, "valueString" => value };
        tree! {
            "extension" => [
                tree! { "url" => extension::LANGUAGE, "valueCode" => self.language.tag() },
                tree! { "url" => extension::PRICE_ACKNOWLEDGED, "valueBoolean" => has_fees },
                text(extension::ADDRESS, self.command.from.clone().unwrap_or_else(|| "unknown".to_owned())),
                text(extension::DEVICE, said("device")),
                text(extension::IDENTITY_METHOD, said("identity-method")),
                text(extension::IDENTITY_REFERENCE, said("identity-reference")),
            ],
            "status" => "proposed",
            "scope" => fhir::concept("http://terminology.hl7.org/CodeSystem/consentscope", scope),
            "category" => [fhir::concept("http://loinc.org", "59284-0"), fhir::concept(CONSENT, category)],
            "patient" => &self.patient.reference(),
            "dateTime" => fhir::instant(now),
            "performer" => [performer],
            "sourceReference" => &self.document,
            "policy" => [tree! { "uri" => self.canonical.as_str() }],
            "provision" => tree! {
                "type" => "permit",
                "period" => tree! { "start" => fhir::instant(now), "end" => fhir::instant(ends) },
            },
        }
    }

    /// What the signing service must know.
    fn inputs(&self, pdf: String, performer: &Reference) -> Vec<(&'static str, String)> {
        let (signer, relation) = self.somebody();
        let patient = &self.visit_person;
        vec![
            ("biz-id", self.consent.id.to_string()),
            ("version", self.template.fact.text(&["version"]).unwrap_or_default().to_owned()),
            ("signer-key", performer.to_string()),
            ("template", self.canonical.clone()),
            ("language", self.language.tag().to_owned()),
            ("patient-name", patient.name.clone()),
            ("patient-id-type", patient.paper.0.to_owned()),
            ("patient-id-no", patient.paper.1.clone()),
            ("patient-phone", patient.phone.clone()),
            ("signer-name", signer.name.clone()),
            ("signer-id-type", signer.paper.0.to_owned()),
            ("signer-id-no", signer.paper.1.clone()),
            ("signer-phone", signer.phone.clone()),
            ("relation", relation.unwrap_or_default().to_owned()),
            ("pdf", pdf),
        ]
    }
}

/// A price with its currency: what is signed must say both.
fn amount(price: Money) -> String {
    format!("{} {}", price.currency.code(), price.text())
}
