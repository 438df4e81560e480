//! What the bank says was paid.

use hub_fhir::{Id, Reference, tree};

use super::{PAID, PAID_TWICE, Report, invoice_of, number, order, refund, total};
use crate::alarm;
use crate::decision::{Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, identifier, instant, set_number, set_state, state, system};
use crate::money::Money;
use crate::refused::Stop;

/// A notice of the bank's, as a channel has stored it: a payment, or a refund.
pub(super) fn reported(notice: &Reference, facts: &Facts) -> Decided {
    let Some(notice) = facts.read(notice)? else { return Ok(Decision::nothing()) };
    let report = Report::of_notice(notice, facts.now);
    let report =
        report.ok_or_else(|| Stop::Unfit(format!("`{}` has no number or no amount", notice.reference())))?;
    if let Some(refund_no) = fhir::number(notice.tree(), system::REFUND) {
        return refund::reported(refund_no, facts);
    }
    let order_no = fhir::number(notice.tree(), system::ORDER).unwrap_or_default();
    match order::by_number(order_no, facts)? {
        Some(order) => paid(order, &report, facts),
        // Money for nothing that we know: a person must see it (长款).
        None => {
            let mut decision = Decision::default();
            alarm::raise(&mut decision, "payment-unknown", &notice.reference(), "finance", facts.now)?;
            Ok(decision)
        }
    }
}

/// An order has been paid. Told twice, it counts once (PAY-4).
pub(super) fn paid(order: &Fact, report: &Report<'_>, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    if matches!(state(order.tree()), Some(PAID | PAID_TWICE)) {
        return Ok(decision);
    }
    let invoice = invoice_of(order, facts)?;
    let due = total(invoice)?;
    if report.amount != due {
        // PAY-3: nothing moves, and somebody is told.
        alarm::raise(&mut decision, "payment-amount", &order.reference(), "finance", facts.now)?;
        return Ok(decision);
    }
    let is_first = invoice.text(&["status"]) == Some("issued");
    decision.update(order, |task| {
        task.set("status", "completed");
        task.set("executionPeriod", tree! { "end" => instant(report.at) });
        set_number(task, system::BANK_TRADE, report.trade);
        set_state(task, if is_first { PAID } else { PAID_TWICE });
    });
    book(&mut decision, order, report.trade, report.amount, "paid", facts)?;
    if is_first {
        decision.update(invoice, |invoice| invoice.set("status", "balanced"));
        decision.raise(facts.now, "invoice.paid", &invoice.reference());
        // What else is open for it is not to be paid any more.
        decision.raise(facts.now, "invoice.close", &invoice.reference());
    } else {
        // PAY-1: what was paid beside goes back by itself.
        refund::of_order(&mut decision, order, report.amount, facts)?;
    }
    Ok(decision)
}

/// Books money that came in, or, with a negative amount, that went back: one PaymentReconciliation for each movement at the bank, and its
/// PaymentNotice (interfaces §12.6).
pub(super) fn book(
    decision: &mut Decision,
    order: &Fact,
    trade: &str,
    amount: Money,
    status: &str,
    facts: &Facts,
) -> Result<(), Stop> {
    let order_no = number(order)?;
    let day = facts.now.to_offset(time::macros::offset!(+8)).date().to_string();
    let movement = tree! {
        "identifier" => [identifier(system::ORDER, order_no)],
        "status" => "active",
        "created" => instant(facts.now),
        "outcome" => "complete",
        "paymentDate" => day.as_str(),
        "paymentAmount" => amount.element(),
        "paymentIdentifier" => identifier(system::BANK_TRADE, trade),
    };
    let id = Id::of_parts(["movement", order_no, trade, status]);
    let movement = decision.ensure("PaymentReconciliation", id.clone(), movement)?;
    let invoice = invoice_of(order, facts)?;
    let notice = tree! {
        "status" => "active",
        "request" => &invoice.reference(),
        "created" => instant(facts.now),
        "payment" => &movement,
        "paymentDate" => day,
        "recipient" => tree! { "display" => "hospital" },
        "amount" => amount.element(),
        "paymentStatus" => tree! { "coding" => [tree! {
            "system" => "http://terminology.hl7.org/CodeSystem/paymentstatus",
            "code" => status,
        }] },
        "identifier" => [identifier(system::ORDER, order_no)],
    };
    decision.ensure("PaymentNotice", id, notice)?;
    Ok(())
}
