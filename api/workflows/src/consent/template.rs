//! Templates of consents: Questionnaires whose items are the paragraphs, in Chinese with translations, each version by its own.

use hub_core::language::Language;
use hub_fhir::{Json, Object, tree};
use hub_papers::consent::Text;

use super::BOOKING;
use crate::command::Command;
use crate::decision::{Answer, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, escaped, extension};
use crate::money::Money;
use crate::person::acting_for;
use crate::refused::{Refused, Stop};

/// What the addresses of all templates begin with; the category follows.
pub(super) const TEMPLATES: &str = "urn:impf:consent:";
/// HL7's extension of a text in another language.
const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";

/// One version of a template.
#[derive(Clone, Copy)]
pub(super) struct Template<'f> {
    pub fact: &'f Fact,
}

/// The published template of a category; none where the hospital has not published one.
pub(super) fn in_force<'f>(category: &str, facts: &'f Facts) -> Result<Option<Template<'f>>, Stop> {
    let url = format!("{TEMPLATES}{category}");
    let mut found = facts.search("Questionnaire", &[("url", &escaped(&url)), ("status", "active")])?;
    // The newest, where an older one was not retired.
    found.sort_by_key(|template| template.text(&["date"]).map(str::to_owned));
    Ok(found.pop().map(|fact| Template { fact }))
}

impl Template<'_> {
    /// Its name with its version: what a signature says it is of.
    pub fn canonical(&self) -> Option<String> {
        Some(format!("{}|{}", self.fact.text(&["url"])?, self.fact.text(&["version"])?))
    }

    /// Its text in a language; `None`: not all of it is there in that language. The Chinese is the master text (CON-4).
    pub fn text(&self, language: Language) -> Option<Text> {
        let title = said(self.fact.tree(), "title", language)?;
        let paragraphs = self.items(false).map(|item| said(item, "text", language)).collect::<Option<_>>()?;
        Some(Text { title, paragraphs })
    }

    /// What is charged: the items that carry a price.
    pub fn fees(&self, language: Language) -> Option<Vec<(String, Money)>> {
        let fee = |item| Some((said(item, "text", language)?, price(item)?));
        self.items(true).map(fee).collect()
    }

    fn items(&self, are_fees: bool) -> impl Iterator<Item = &Object> {
        let items = self.fact.tree().get("item").map(Json::items).unwrap_or_default();
        items.iter().filter_map(Json::as_object).filter(move |item| price(item).is_some() == are_fees)
    }
}

fn price(item: &Object) -> Option<Money> {
    Money::of(extension(item, fhir::extension::FEE)?.get("valueMoney"))
}

/// The text of an element in a language.
fn said(element: &Object, name: &str, language: Language) -> Option<String> {
    if language == Language::Simplified {
        return element.get(name)?.as_str().map(str::to_owned);
    }
    let translations = element.get(&format!("_{name}"))?.get("extension")?.items();
    translations.iter().filter_map(Json::as_object).find_map(|translation| {
        let part = |url: &str, value: &str| extension(translation, url)?.get(value)?.as_str();
        let is_meant = translation.get("url").and_then(Json::as_str) == Some(TRANSLATION)
            && Language::of_tag(part("lang", "valueCode")?) == Some(language);
        is_meant.then(|| part("content", "valueString").map(str::to_owned)).flatten()
    })
}

/// The language that a parameter names; the caller's where there is none.
pub(super) fn language(command: &Command) -> Result<Language, Refused> {
    match command.text("language") {
        Some(tag) => Language::of_tag(tag).ok_or_else(|| Refused::field("LANGUAGE", "language")),
        None => Ok(command.language),
    }
}

/// `Consent/$start`
pub(super) fn start(command: &Command, facts: &Facts) -> Decided {
    let category = command.text("category").unwrap_or(BOOKING);
    let patient = command.reference("patient", "Patient")?;
    let patient = patient.map(|patient| acting_for(command, facts, &patient)).transpose()?;
    let template = in_force(category, facts)?.ok_or_else(|| Refused::of("NOT_FOUND"))?;
    let canonical = template.canonical();
    let canonical = canonical.ok_or_else(|| Stop::Unfit("a template without a version".to_owned()))?;
    let wished = language(command)?;
    let shown = |language| Some((language, template.text(language)?, template.fees(language)?));
    // Where it is not translated the master text is shown, and signed.
    let shown = shown(wished).or_else(|| shown(Language::Simplified));
    let (language, text, fees) =
        shown.ok_or_else(|| Stop::Unfit(format!("`{}` has no text", template.fact.reference())))?;

    let mut told = vec![
        tree! { "name" => "template", "valueCanonical" => canonical },
        tree! { "name" => "language", "valueCode" => language.tag() },
        tree! { "name" => "title", "valueString" => text.title },
    ];
    told.extend(text.paragraphs.iter().map(|text| tree! { "name" => "text", "valueMarkdown" => text }));
    told.extend(fees.into_iter().map(|(name, price)| {
        let parts = [
            tree! { "name" => "name", "valueString" => name },
            tree! { "name" => "price", "valueMoney" => price.element() },
        ];
        tree! { "name" => "fee", "part" => parts }
    }));
    if let Some(patient) = patient {
        let holds = super::permits(patient, category, facts)?;
        told.push(tree! { "name" => "in-force", "valueBoolean" => holds });
    }
    Ok(Decision::nothing().answered(Answer::Parameters(told)))
}
