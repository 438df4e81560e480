//! Money that goes back: the whole of an order, by the way it came (PAY-8, PAY-9).

use hub_fhir::{Reference, tree};
use time::Duration;

use super::order::{order_of_refund, refund_id};
use super::paid::book;
use super::{BANK, PAID, bank_number, invoice_of, number, orders, patient_of};
use crate::decision::{Answered, Ask, Decided, Decision, kind_of};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, concept, identifier, instant, reference, state, system};
use crate::money::Money;
use crate::refused::Stop;
use crate::{alarm, notice};

/// How often the bank is asked about a refund that is under way.
const ASK_EVERY: Duration = Duration::seconds(60);

/// Gives back what has paid an invoice.
pub(super) fn whole(invoice: &Reference, facts: &Facts) -> Decided {
    let invoice = facts.must(invoice)?;
    let mut decision = Decision::default();
    let paid = orders(invoice, facts)?.into_iter().find(|order| state(order.tree()) == Some(PAID));
    match paid {
        Some(order) => of_order(&mut decision, order, super::total(invoice)?, facts)?,
        None => {
            return Err(Stop::Unfit(format!(
                "`{}` is to be given back and was not paid",
                invoice.reference()
            )));
        }
    }
    Ok(decision)
}

/// Gives back what an order has brought. Asked for twice, it is given back once.
pub(super) fn of_order(
    decision: &mut Decision,
    order: &Fact,
    amount: Money,
    facts: &Facts,
) -> Result<(), Stop> {
    let id = refund_id(order);
    let refund = reference(kind_of("Task")?, id.clone());
    if facts.read(&refund)?.is_some() {
        return Ok(());
    }
    let refund_no = bank_number("RF", &id);
    let value =
        |name, value: String| tree! { "type" => concept(system::VALUE, name), "valueString" => value };
    let invoice = invoice_of(order, facts)?;
    let tree = tree! {
        "identifier" => [identifier(system::REFUND, &refund_no)],
        "partOf" => [&order.reference()],
        "status" => "in-progress",
        "intent" => "order",
        "code" => concept(system::ACT, "refund"),
        "focus" => &invoice.reference(),
        "for" => patient_of(order).as_ref(),
        "authoredOn" => instant(facts.now),
        "input" => [value("amount-fen", amount.fen.to_string())],
    };
    decision.create("Task", id, tree)?;
    send(decision, &refund, &refund_no, order, amount, &refund_no, facts)
}

/// Asks the bank to give it back. The number of the refund makes it the same one, however often it is sent.
fn send(
    decision: &mut Decision,
    refund: &Reference,
    refund_no: &str,
    order: &Fact,
    amount: Money,
    key: &str,
    facts: &Facts,
) -> Result<(), Stop> {
    let ask = Ask {
        channel: BANK,
        act: "payment-refund",
        key,
        focus: refund,
        patient: patient_of(order),
        command: None,
        inputs: &[
            ("refund-no", refund_no.to_owned()),
            ("order-no", number(order)?.to_owned()),
            ("refund-fen", amount.fen.to_string()),
            ("total-fen", amount.fen.to_string()),
            ("currency", amount.currency.code().to_owned()),
            ("reason", "退诊查费".to_owned()),
        ],
    };
    decision.ask(facts.now, &ask)
}

/// How much goes back.
fn amount(refund: &Fact, facts: &Facts) -> Result<Money, Stop> {
    let fen = Answered { task: refund }.input("amount-fen").and_then(|fen| fen.parse().ok());
    let fen = fen.ok_or_else(|| Stop::Unfit(format!("`{}` has no amount", refund.reference())))?;
    Ok(Money { fen, ..super::total(invoice_of(refund, facts)?)? })
}

/// What the bank says of a refund.
pub(super) fn answered(answered: &Answered<'_>, facts: &Facts) -> Decided {
    let focus = answered.focus().ok_or_else(|| Stop::Unfit("an errand about nothing".to_owned()))?;
    let refund = facts.must(&focus)?;
    let mut decision = Decision::default();
    if refund.text(&["status"]) != Some("in-progress") {
        return Ok(decision);
    }
    let stands = answered.output("state").filter(|_| answered.is_done());
    match (stands, answered.why()) {
        (Some("SUCCESS"), _) => return done(refund, facts),
        (Some("FAILED"), _) => failed(&mut decision, refund, facts)?,
        // Under way at the bank.
        (Some(_), _) => decision.raise(facts.now + ASK_EVERY, "refund.ask", &refund.reference()),
        // The bank has never heard of it: it is sent once more, under the same number.
        (None, Some("RESOURCE_NOT_EXISTS")) => {
            let refund_no = fhir::number(refund.tree(), system::REFUND).unwrap_or_default();
            let key = format!("{refund_no}-{}", facts.now.unix_timestamp_nanos());
            let (order, amount) = (order_of_refund(refund, facts)?, amount(refund, facts)?);
            send(&mut decision, &refund.reference(), refund_no, order, amount, &key, facts)?;
        }
        // Nobody knows: it is asked, and not sent again.
        (None, None | Some("given-up" | "in-doubt" | "unreadable")) => {
            decision.raise(facts.now + ASK_EVERY, "refund.ask", &refund.reference());
        }
        (None, Some(_)) => failed(&mut decision, refund, facts)?,
    }
    Ok(decision)
}

/// A notice of the bank's about a refund: it is asked how it stands.
pub(super) fn reported(refund_no: &str, facts: &Facts) -> Decided {
    let found = facts.search("Task", &[("identifier", &fhir::token(system::REFUND, refund_no))])?;
    match found.first() {
        Some(refund) => ask(&refund.reference(), facts),
        None => Ok(Decision::nothing()),
    }
}

/// Asks how a refund stands.
pub(super) fn ask(refund: &Reference, facts: &Facts) -> Decided {
    let refund = facts.must(refund)?;
    let mut decision = Decision::default();
    if refund.text(&["status"]) != Some("in-progress") {
        return Ok(decision);
    }
    let refund_no = fhir::number(refund.tree(), system::REFUND).unwrap_or_default();
    let ask = Ask {
        channel: BANK,
        act: "refund-query",
        key: &format!("{refund_no}-{}", facts.now.unix_timestamp_nanos()),
        focus: &refund.reference(),
        patient: patient_of(refund),
        command: None,
        inputs: &[
            ("refund-no", refund_no.to_owned()),
            ("order-no", number(order_of_refund(refund, facts)?)?.to_owned()),
        ],
    };
    decision.ask(facts.now, &ask)?;
    Ok(decision)
}

/// The money is back.
fn done(refund: &Fact, facts: &Facts) -> Decided {
    let order = order_of_refund(refund, facts)?;
    let invoice = invoice_of(refund, facts)?;
    let mut decision = Decision::default();
    let amount = amount(refund, facts)?.negative();
    decision.update(refund, |task| {
        task.set("status", "completed");
        task.set("executionPeriod", tree! { "end" => instant(facts.now) });
    });
    let refund_no = fhir::number(refund.tree(), system::REFUND).unwrap_or_default();
    book(&mut decision, order, refund_no, amount, "cleared", facts)?;
    if state(order.tree()) == Some(PAID) {
        decision.update(invoice, |invoice| invoice.set("status", "cancelled"));
        decision.raise(facts.now, "invoice.refunded", &invoice.reference());
    }
    alarm::settle(&mut decision, "refund-failed", &refund.reference(), facts)?;
    Ok(decision)
}

/// The bank does not give it back: a person of finance must, and the patient is told (PAY-8).
fn failed(decision: &mut Decision, refund: &Fact, facts: &Facts) -> Result<(), Stop> {
    decision.update(refund, |task| {
        task.set("status", "on-hold");
        task.set("businessStatus", concept(system::STATE, "refund-failed"));
    });
    alarm::raise(decision, "refund-failed", &refund.reference(), "finance", facts.now)?;
    match patient_of(refund) {
        Some(patient) => notice::send(decision, notice::REFUND_FAILED, refund, &patient, facts.now),
        None => Ok(()),
    }
}
