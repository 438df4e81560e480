//! `Questionnaire/$publish` (CON-8): a template is in force when its author and a legal reviewer, two people, have approved it.

use hub_core::language::Language;
use hub_core::who::Role;
use hub_fhir::{Json, Object, tree};

use super::answers::record;
use super::template::{TEMPLATES, Template};
use crate::calendar;
use crate::command::Command;
use crate::decision::{Answer, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{escaped, extension, instant};
use crate::refused::{Refused, Stop};

/// Who has approved a template, as whom, when.
const APPROVED: &str = "urn:impf:ext:approved";
const AUTHOR: &str = "author";
const LEGAL: &str = "legal";

pub(super) fn publish(command: &Command, facts: &Facts) -> Decided {
    let template = facts.asked(command.subject()?)?;
    let role = match command.need_text("as")? {
        AUTHOR => AUTHOR,
        LEGAL if command.who.has(Role::Administrator) => LEGAL,
        LEGAL => return Err(Refused::role().into()),
        _ => return Err(Refused::field("REQUIRED", "as").into()),
    };
    let url = is_fit(template)?;
    let who = command.who.account.as_str();
    let other = if role == AUTHOR { LEGAL } else { AUTHOR };
    let approved = approved_by(template, other);
    if approved == Some(who) {
        return Err(Refused::field("TWO_PEOPLE", "as").into());
    }
    let is_published = approved.is_some();
    let mut decision = Decision::default();
    if is_published {
        // The versions before end with this one.
        let before =
            facts.search_guarded("Questionnaire", &[("url", &escaped(url)), ("status", "active")])?;
        for old in before.into_iter().filter(|old| old.id() != template.id()) {
            decision.update(old, |tree| tree.set("status", "retired"));
        }
    }
    decision.update(template, |tree| {
        approve(tree, role, who, &instant(facts.now));
        if is_published {
            tree.set("status", "active");
            tree.set("date", instant(facts.now));
            tree.set("approvalDate", calendar::day(facts.now).to_string());
        }
    });
    record(&mut decision, command, &template.reference(), "publish", facts)?;
    Ok(decision.answered(Answer::Resource(template.reference())))
}

/// The address of a template that can be published: a draft of a consent with a version and all of its Chinese text (CON-4).
fn is_fit(template: &Fact) -> Result<&str, Stop> {
    let unfit = |field: &'static str| Refused::field("TEMPLATE", field);
    if template.text(&["status"]) != Some("draft") {
        return Err(unfit("status").into());
    }
    let url = template.text(&["url"]).filter(|url| url.starts_with(TEMPLATES)).ok_or_else(|| unfit("url"))?;
    let read = Template { fact: template };
    read.canonical().ok_or_else(|| unfit("version"))?;
    let master = read.text(Language::Simplified).filter(|text| !text.paragraphs.is_empty());
    master.and_then(|_| read.fees(Language::Simplified)).ok_or_else(|| unfit("item"))?;
    Ok(url)
}

fn approvals(tree: &Object) -> impl Iterator<Item = &Object> {
    let all = tree.get("extension").map(Json::items).unwrap_or_default().iter();
    all.filter_map(Json::as_object).filter(|one| one.get("url").and_then(Json::as_str) == Some(APPROVED))
}

fn part<'a>(approval: &'a Object, url: &str, value: &str) -> Option<&'a str> {
    extension(approval, url)?.get(value)?.as_str()
}

/// Who has approved it as this.
fn approved_by<'f>(template: &'f Fact, role: &str) -> Option<&'f str> {
    let mut approvals = approvals(template.tree());
    let approval = approvals.find(|approval| part(approval, "as", "valueCode") == Some(role))?;
    part(approval, "by", "valueString")
}

fn approve(tree: &mut Object, role: &str, who: &str, at: &str) {
    let all = tree.get("extension").map(Json::items).unwrap_or_default().iter();
    let is_the_same = |one: &&Json| {
        one.as_object().is_some_and(|one| {
            one.get("url").and_then(Json::as_str) == Some(APPROVED)
                && part(one, "as", "valueCode") == Some(role)
        })
    };
    let mut kept: Vec<Json> = all.filter(|one| !is_the_same(one)).cloned().collect();
    kept.push(Json::Object(tree! { "url" => APPROVED, "extension" => [
        tree! { "url" => "as", "valueCode" => role },
        tree! { "url" => "by", "valueString" => who },
        tree! { "url" => "at", "valueDateTime" => at },
    ] }));
    tree.set("extension", kept);
}
