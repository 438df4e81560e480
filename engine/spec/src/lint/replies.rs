//! `[reply]`: its mappings are there, read what they are given and write what the sender understands.

use hub_core::finding::{FindingKind, nearest};
use hub_core::registry::Registry;
use hub_core::source::Acknowledge;
use hub_mapping::{Mapping, Target};

use super::mappings::{Mappings, check_layouts, find};
use crate::read::{Draft, ReplyDraft, RouteDraft};
use crate::sheet::{At, Sheet};

/// What a reply made of the store or of the commit reads.
const RESOURCES: &str = "fhir";

/// Checks what a channel says of replies.
pub(crate) fn check(draft: &mut Draft, registry: &Registry, mappings: &mut Mappings<'_>) {
    let answers = draft.from.as_ref().is_some_and(|from| from.acknowledge == Acknowledge::OnAnswered);
    let span = draft.from.as_ref().and_then(|from| from.acknowledge_span.clone());
    let format =
        draft.parse.as_ref().and_then(|parse| parse.format.as_ref()).map(|format| format.value.clone());
    let connector = draft.from.as_ref().and_then(|from| from.connector.as_ref());
    let spoken = connector.and_then(|connector| registry.source_format(&connector.value));
    let named = |route: &RouteDraft| Some((route.name.as_ref()?.value.clone(), route.each.is_some()));
    let destinations: Vec<Destination> = draft.to.iter().filter_map(named).collect();
    let split = draft.parse.as_ref().and_then(|parse| parse.split.as_ref()).map(|split| split.span.clone());
    let sheet = &mut draft.sheet;
    if let (Some(span), Some(connector)) = (span.as_ref().filter(|_| answers), connector)
        && !registry.source_answers(&connector.value)
    {
        let message = format!("nobody waits for an answer at the connector `{}`", connector.value);
        let help =
            Some("write acknowledge = \"on_committed\", and send what is to be told by a [[to]]".to_owned());
        sheet.report_with(FindingKind::WrongSettings, span, message, help);
    }
    let Some(reply) = &draft.reply else {
        if let Some(span) = span.filter(|_| answers) {
            let help = Some("add [reply] with the `mapping` that makes the answer".to_owned());
            let message = "`on_answered` needs a [reply] that says what is answered";
            sheet.report_with(FindingKind::MissingKey, &span, message.to_owned(), help);
        }
        return;
    };
    if !answers {
        let help = Some("write acknowledge = \"on_answered\" in [from]".to_owned());
        let message = "a [reply] is made only where senders are answered `on_answered`";
        sheet.report_with(FindingKind::UnknownKey, &reply.span, message.to_owned(), help);
    }
    if let Some(split) = split {
        let message = "an answer is made of one request, and with `split` a frame may hold several";
        let help = "leave `split` or [reply] out; with acknowledge = \"on_committed\" the sender is told how the pieces ended";
        sheet.report_with(FindingKind::UnknownKey, &split, message.to_owned(), Some(help.to_owned()));
    }
    check_facts(sheet, reply, &destinations);
    let of_a_receiver = reply.of.as_ref().is_some_and(|of| of.value != "commit");
    if let Some(name) = &reply.mapping
        && let Some(compiled) = find(sheet, name, mappings)
    {
        let mapping = &compiled.mapping;
        if !of_a_receiver && mapping.from() != RESOURCES {
            let message =
                format!("the mapping `{}` reads `{}`; it is given resources", name.value, mapping.from());
            let help = Some("write from = \"fhir\"; paths to what was asked begin with `request`".to_owned());
            sheet.report_with(FindingKind::FormatDiffers, &name.span, message, help);
        }
        check_words(sheet, name, mapping, format.as_deref(), spoken);
        check_layouts(sheet, name, mapping, registry);
    }
    for name in [&reply.busy, &reply.refused].into_iter().flatten() {
        let Some(compiled) = find(sheet, name, mappings) else { continue };
        let mapping = &compiled.mapping;
        let from = mapping.from();
        if from != RESOURCES && format.as_deref().is_some_and(|format| format != from) {
            let message =
                format!("the mapping `{}` reads `{from}`, which is not the request's format", name.value);
            sheet.report(FindingKind::FormatDiffers, &name.span, message);
        }
        check_words(sheet, name, mapping, format.as_deref(), spoken);
        check_layouts(sheet, name, mapping, registry);
    }
}

/// The name of a `[[to]]`, and whether it may send several parcels for one message.
type Destination = (String, bool);

fn check_facts(sheet: &mut Sheet, reply: &ReplyDraft, destinations: &[Destination]) {
    let Some(of) = &reply.of else { return };
    if reply.search.is_some() {
        let message = "an answer is made of a `search` or of what `of` names, not of both";
        sheet.report(FindingKind::UnknownKey, &of.span, message.to_owned());
    }
    if of.value == "commit" {
        return;
    }
    if let Some((name, sends_several)) = destinations.iter().find(|(name, _)| *name == of.value) {
        if *sends_several {
            let message = format!(
                "`{name}` sends a parcel for each node of `each`; an answer is made of what one is answered"
            );
            let help = format!("leave `each` of `{name}` out, or make the answer of another destination");
            sheet.report_with(FindingKind::UnknownReference, &of.span, message, Some(help));
        }
        return;
    }
    let known: Vec<&str> = destinations.iter().map(|(name, _)| name.as_str()).chain(["commit"]).collect();
    let message = format!("the channel has no destination `{}`", of.value);
    let help = match nearest(&of.value, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    sheet.report_with(FindingKind::UnknownReference, &of.span, message, Some(help));
}

/// A message in the sender's format, made of a request in the channel's.
fn check_words(
    sheet: &mut Sheet,
    name: &At<String>,
    mapping: &Mapping,
    format: Option<&str>,
    spoken: Option<&str>,
) {
    if let (Some(request), Some(format)) = (mapping.request(), format)
        && request != format
    {
        let message = format!(
            "the mapping `{}` answers a request in `{request}`, the channel takes `{format}`",
            name.value
        );
        let help = Some(format!("write request = \"{format}\" in the mapping"));
        sheet.report_with(FindingKind::FormatDiffers, &name.span, message, help);
    }
    let to = mapping.to();
    let is_understood = spoken.is_none_or(|spoken| spoken == to.name());
    if !is_understood || to == Target::Fhir && spoken.is_some() {
        let message =
            format!("the mapping `{}` writes `{}`, which the sender does not speak", name.value, to.name());
        let help = spoken.map(|spoken| format!("write to = \"{spoken}\" in the mapping"));
        sheet.report_with(FindingKind::FormatDiffers, &name.span, message, help);
    }
}
