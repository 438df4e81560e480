//! Orders at the bank: opened, asked about, closed.

use hub_fhir::{Id, Reference, tree};
use time::{Duration, OffsetDateTime};

use super::{
    BANK, CLOSED, CLOSING, OPEN, Report, bank_number, invoice_of, number, orders, outputs, paid, patient_of,
    total,
};
use crate::command::Command;
use crate::decision::{Answer, Answered, Ask, Decided, Decision, Ending};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, concept, identifier, instant, points_at, set_state, state, system};
use crate::refused::{Refused, Stop};

/// How often the bank is asked about an order that nobody has told of.
const ASK_EVERY: Duration = Duration::seconds(60);
/// The methods of payment, and the HIS's words for them (H305 PayMode).
const METHODS: [(&str, &str); 4] = [("jsapi", "WX"), ("h5", "WX"), ("native", "WX"), ("app", "WX")];

/// Opens an order for an invoice: amount, currency and payee are the invoice's, whatever the client says (PAY-2).
pub fn order(command: &Command, invoice: &Fact, ends: OffsetDateTime, facts: &Facts) -> Decided {
    let method = command.need_text("method")?;
    let (method, mode) = METHODS.into_iter().find(|(known, _)| *known == method).ok_or_else(|| {
        Refused::field("PAY_METHOD", "method").with(METHODS.map(|(known, _)| known).join(", "))
    })?;
    if invoice.text(&["status"]) != Some("issued") {
        return Err(Refused::of("PAID_ALREADY").into());
    }
    let total = total(invoice)?;
    let id = command.id("payment-order");
    let order_no = bank_number("HT", &id);
    let patient = patient_of(invoice);
    let value =
        |name, value: String| tree! { "type" => concept(system::VALUE, name), "valueString" => value };
    let mut tree = tree! {
        "identifier" => [identifier(system::ORDER, &order_no)],
        "status" => "requested",
        "intent" => "order",
        "code" => concept(system::ACT, "payment"),
        "focus" => &invoice.reference(),
        "for" => patient.as_ref(),
        "authoredOn" => instant(facts.now),
        "restriction" => tree! { "period" => tree! { "end" => instant(ends) } },
        "input" => [value("method", method.to_owned()), value("pay-mode", mode.to_owned()), value("amount-fen", total.fen.to_string())],
    };
    set_state(&mut tree, OPEN);
    let mut decision = Decision::default();
    let order = decision.create("Task", id, tree)?;
    let ask = Ask {
        channel: BANK,
        act: "payment-create",
        key: &order_no,
        focus: &order,
        patient: patient.clone(),
        command: Some(&command.task()),
        inputs: &[
            ("order-no", order_no.clone()),
            ("amount-fen", total.fen.to_string()),
            ("currency", total.currency.code().to_owned()),
            ("method", method.to_owned()),
            ("payer", command.text("payer").unwrap_or_default().to_owned()),
            ("client-ip", command.from.clone().unwrap_or_else(|| "127.0.0.1".to_owned())),
            ("expire-at", instant(ends)),
            ("goods", "诊查费".to_owned()),
        ],
    };
    decision.ask(facts.now, &ask)?;
    decision.raise(facts.now + ASK_EVERY, "payment.ask", &order);
    Ok(decision.answered(Answer::Pending))
}

/// The order that an errand is about.
fn order_of<'f>(answered: &Answered<'_>, facts: &'f Facts) -> Result<&'f Fact, Stop> {
    let focus = answered.focus().ok_or_else(|| Stop::Unfit("an errand about nothing".to_owned()))?;
    facts.must(&focus)
}

/// Whether the bank has said something, rather than nothing.
fn is_word(answered: &Answered<'_>) -> bool {
    !matches!(answered.why(), None | Some("given-up" | "in-doubt" | "unreadable"))
}

/// The bank has opened it, or has not.
pub(super) fn created(answered: &Answered<'_>, facts: &Facts) -> Decided {
    let order = order_of(answered, facts)?;
    let mut decision = Decision::default();
    let ending = match (answered.is_done(), state(order.tree())) {
        (true, Some(OPEN)) => {
            decision.update(order, |task| {
                task.set("status", "in-progress");
                task.put("output", outputs(answered));
            });
            Ending::Resource(order.reference())
        }
        (true, _) => Ending::Refused(Refused::of("HOLD_EXPIRED")),
        (false, Some(OPEN)) if is_word(answered) => {
            close(&mut decision, order);
            Ending::Refused(Refused::of("BANK_REFUSED"))
        }
        // It may be open: it is asked about.
        (false, _) => Ending::Refused(Refused::of("PARTNER_DOWN")),
    };
    if let Some(command) = answered.command() {
        decision.end(&command, &ending);
    }
    Ok(decision)
}

fn close(decision: &mut Decision, order: &Fact) {
    decision.update(order, |task| {
        task.set("status", "cancelled");
        set_state(task, CLOSED);
    });
}

/// Asks the bank how an order stands, while that is open.
pub(super) fn ask(order: &Reference, facts: &Facts) -> Decided {
    let order = facts.must(order)?;
    let mut decision = Decision::default();
    if matches!(state(order.tree()), Some(OPEN | CLOSING)) {
        query(&mut decision, order, facts)?;
    }
    Ok(decision)
}

fn query(decision: &mut Decision, order: &Fact, facts: &Facts) -> Result<(), Stop> {
    let order_no = number(order)?;
    let ask = Ask {
        channel: BANK,
        act: "payment-query",
        // Each time it is another question.
        key: &format!("{order_no}-{}", facts.now.unix_timestamp_nanos()),
        focus: &order.reference(),
        patient: patient_of(order),
        command: None,
        inputs: &[("order-no", order_no.to_owned())],
    };
    decision.ask(facts.now, &ask)
}

/// How an order stands at the bank.
pub(super) fn asked(answered: &Answered<'_>, facts: &Facts) -> Decided {
    let order = order_of(answered, facts)?;
    let mut decision = Decision::default();
    let is_closing = match state(order.tree()) {
        Some(OPEN) => false,
        Some(CLOSING) => true,
        _ => return Ok(decision),
    };
    let stands = answered.output("state").filter(|_| answered.is_done());
    match stands {
        Some("PAID") => {
            let report = Report::of_answer(answered, facts.now);
            let report =
                report.ok_or_else(|| Stop::Unfit("a payment without number or amount".to_owned()))?;
            return paid::paid(order, &report, facts);
        }
        Some("CLOSED") => {
            close(&mut decision, order);
            all_closed(&mut decision, order, facts)?;
        }
        Some(_) if is_closing => {
            let order_no = number(order)?;
            let ask = Ask {
                channel: BANK,
                act: "payment-close",
                key: &format!("{order_no}-{}", facts.now.unix_timestamp_nanos()),
                focus: &order.reference(),
                patient: patient_of(order),
                command: None,
                inputs: &[("order-no", order_no.to_owned())],
            };
            decision.ask(facts.now, &ask)?;
        }
        // The bank does not know it: it was never opened, and nobody can pay it.
        None if is_closing && answered.why() == Some("ORDER_NOT_EXIST") => {
            close(&mut decision, order);
            all_closed(&mut decision, order, facts)?;
        }
        Some(_) | None => decision.raise(facts.now + ASK_EVERY, "payment.ask", &order.reference()),
    }
    Ok(decision)
}

/// The bank has closed it, or has not: then it may have been paid meanwhile.
pub(super) fn closed(answered: &Answered<'_>, facts: &Facts) -> Decided {
    let order = order_of(answered, facts)?;
    let mut decision = Decision::default();
    if state(order.tree()) != Some(CLOSING) {
        return Ok(decision);
    }
    if answered.is_done() && answered.output("state") == Some("CLOSED") {
        close(&mut decision, order);
        all_closed(&mut decision, order, facts)?;
    } else if is_word(answered) || answered.is_done() {
        query(&mut decision, order, facts)?;
    } else {
        decision.raise(facts.now + ASK_EVERY, "payment.ask", &order.reference());
    }
    Ok(decision)
}

/// What was bought hears when the last order of its invoice is closed.
fn all_closed(decision: &mut Decision, order: &Fact, facts: &Facts) -> Result<(), Stop> {
    let invoice = invoice_of(order, facts)?;
    if invoice.text(&["status"]) != Some("issued") {
        return Ok(());
    }
    let is_open = |other: &&Fact| {
        other.reference() != order.reference() && matches!(state(other.tree()), Some(OPEN | CLOSING))
    };
    if !orders(invoice, facts)?.iter().any(is_open) {
        decision.raise(facts.now, "invoice.closed", &invoice.reference());
    }
    Ok(())
}

/// Nothing more is to be paid: the bank is asked about each open order first, and closes it then (PAY-5).
pub(super) fn close_all(invoice: &Reference, facts: &Facts) -> Decided {
    let invoice = facts.must(invoice)?;
    let mut decision = Decision::default();
    let orders = orders(invoice, facts)?;
    let open: Vec<&&Fact> =
        orders.iter().filter(|order| matches!(state(order.tree()), Some(OPEN | CLOSING))).collect();
    for order in &open {
        if state(order.tree()) == Some(OPEN) {
            decision.update(order, |task| set_state(task, CLOSING));
        }
        query(&mut decision, order, facts)?;
    }
    if open.is_empty() && invoice.text(&["status"]) == Some("issued") {
        decision.raise(facts.now, "invoice.closed", &invoice.reference());
    }
    Ok(decision)
}

/// The order with this number.
pub(super) fn by_number<'f>(order_no: &str, facts: &'f Facts) -> Result<Option<&'f Fact>, Stop> {
    let found = facts.search("Task", &[("identifier", &fhir::token(system::ORDER, order_no))])?;
    Ok(found.into_iter().next())
}

/// What a refund's Task is part of: its order.
pub(super) fn order_of_refund<'f>(refund: &Fact, facts: &'f Facts) -> Result<&'f Fact, Stop> {
    let order = refund.tree().get("partOf").and_then(|part| part.items().first().cloned());
    let order = points_at(order.as_ref());
    facts.must(&order.ok_or_else(|| Stop::Unfit(format!("`{}` is of no order", refund.reference())))?)
}

/// The id of the refund of an order.
pub(super) fn refund_id(order: &Fact) -> Id {
    Id::of_parts(["refund", order.id().as_str()])
}
