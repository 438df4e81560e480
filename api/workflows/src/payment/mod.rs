//! Payment and refund 支付 (rules PAY): an invoice, orders at the bank, what is paid, what goes back.
//!
//! An Invoice may have several orders (Tasks of the act `payment`), at most one of which pays it. Only what the bank has signed moves
//! anything: a notice (`payment.reported`) or an answer to a question. What was bought hears `invoice.paid`, `invoice.closed` and
//! `invoice.refunded`, and asks by `invoice.close` and `invoice.refund`.

mod order;
mod paid;
mod refund;

use hub_core::commit::Wake;
use hub_fhir::{Id, Json, Object, Reference, tree};
use time::OffsetDateTime;

use crate::Workflow;
use crate::act::Act;
use crate::command::Command;
use crate::decision::{Answered, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, escaped, extension, instant, points_at, system};
use crate::money::Money;
use crate::refused::Stop;

pub use order::order;

/// The channel that carries errands to the bank.
const BANK: &str = "bank/errands";
/// The extension of an Invoice that says what was bought.
const ABOUT: &str = "urn:impf:ext:about";

/// The workflow of payments.
pub struct Payment;

impl Workflow for Payment {
    fn acts(&self) -> &'static [Act] {
        &[]
    }

    fn events(&self) -> &'static [&'static str] {
        &["task.answered", "payment.reported", "payment.ask", "invoice.close", "invoice.refund", "refund.ask"]
    }

    fn command(&self, command: &Command, _facts: &Facts) -> Decided {
        Err(Stop::Unfit(format!("`{}` is no act of payments", command.act)))
    }

    fn event(&self, event: &Wake, facts: &Facts) -> Result<Option<Decision>, Stop> {
        let subject = &event.subject;
        match event.event.as_str() {
            "task.answered" => {
                let Some(task) = facts.read(subject)? else { return Ok(None) };
                let answered = Answered { task };
                match answered.act() {
                    Some("payment-create") => order::created(&answered, facts).map(Some),
                    Some("payment-query") => order::asked(&answered, facts).map(Some),
                    Some("payment-close") => order::closed(&answered, facts).map(Some),
                    Some("payment-refund" | "refund-query") => refund::answered(&answered, facts).map(Some),
                    _ => Ok(None),
                }
            }
            "payment.reported" => paid::reported(subject, facts).map(Some),
            "payment.ask" => order::ask(subject, facts).map(Some),
            "invoice.close" => order::close_all(subject, facts).map(Some),
            "invoice.refund" => refund::whole(subject, facts).map(Some),
            _ => refund::ask(subject, facts).map(Some),
        }
    }
}

/// A new invoice about something that was bought.
pub fn invoice(
    decision: &mut Decision,
    about: &Reference,
    patient: &Reference,
    lines: Vec<Object>,
    total: Money,
    now: OffsetDateTime,
) -> Result<Reference, Stop> {
    let tree = tree! {
        "extension" => [tree! { "url" => ABOUT, "valueReference" => about }],
        "status" => "issued",
        "subject" => patient,
        "date" => instant(now),
        "lineItem" => lines,
        "totalNet" => total.element(),
        "totalGross" => total.element(),
    };
    decision.create("Invoice", Id::of_parts(["invoice", &about.to_string()]), tree)
}

/// What was bought.
pub fn about(invoice: &Fact) -> Option<Reference> {
    points_at(extension(invoice.tree(), ABOUT)?.get("valueReference"))
}

/// What an invoice comes to.
fn total(invoice: &Fact) -> Result<Money, Stop> {
    let total = Money::of(invoice.tree().get("totalGross"));
    total.ok_or_else(|| Stop::Unfit(format!("`{}` has no total", invoice.reference())))
}

/// How an invoice was paid.
#[derive(Clone, Debug)]
pub struct Paid {
    /// The mode of payment, as the HIS calls it (H305).
    pub mode: String,
    /// How much.
    pub amount: Money,
    /// When, as the HIS writes it: `2026-11-26 10:30:00`.
    pub at: String,
    /// Our number of the order.
    pub order: String,
    /// The bank's number of the payment.
    pub trade: String,
}

/// How an invoice was paid.
pub fn paid_by(invoice: &Fact, facts: &Facts) -> Result<Paid, Stop> {
    let paid = orders(invoice, facts)?.into_iter().find(|order| fhir::state(order.tree()) == Some(PAID));
    let order = paid.ok_or_else(|| Stop::Unfit(format!("`{}` is not paid", invoice.reference())))?;
    let task = Answered { task: order };
    let at = fhir::moment(order.text(&["executionPeriod", "end"])).unwrap_or(facts.now);
    let form = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    Ok(Paid {
        mode: task.input("pay-mode").unwrap_or("WX").to_owned(),
        amount: total(invoice)?,
        at: at.to_offset(time::macros::offset!(+8)).format(form).unwrap_or_default(),
        order: number(order)?.to_owned(),
        trade: fhir::number(order.tree(), system::BANK_TRADE).unwrap_or_default().to_owned(),
    })
}

/// The bank is asked to open it, or has opened it and waits for the payer.
const OPEN: &str = "open";
/// The bank is to close it.
const CLOSING: &str = "closing";
/// Nobody can pay it any more.
const CLOSED: &str = "closed";
/// It has paid its invoice.
const PAID: &str = "paid";
/// It was paid beside another one that had paid the invoice, or when nothing was to be paid any more: its money goes back.
const PAID_TWICE: &str = "paid-twice";

/// The orders of an invoice.
fn orders<'f>(invoice: &Fact, facts: &'f Facts) -> Result<Vec<&'f Fact>, Stop> {
    let code = format!("{}|payment", system::ACT);
    facts.search("Task", &[("focus", &escaped(&invoice.reference().to_string())), ("code", &code)])
}

/// The number of an order.
fn number(order: &Fact) -> Result<&str, Stop> {
    fhir::number(order.tree(), system::ORDER)
        .ok_or_else(|| Stop::Unfit(format!("`{}` has no number", order.reference())))
}

/// The invoice of an order, or of a refund.
fn invoice_of<'f>(order: &Fact, facts: &'f Facts) -> Result<&'f Fact, Stop> {
    let invoice = points_at(order.tree().get("focus"));
    facts.must(&invoice.ok_or_else(|| Stop::Unfit(format!("`{}` is about nothing", order.reference())))?)
}

/// Whom something is for.
fn patient_of(task: &Fact) -> Option<Reference> {
    points_at(task.tree().get("for")).or_else(|| points_at(task.tree().get("subject")))
}

/// A number for the bank: 28 signs of `0-9A-Z`, made of the id of what it is for (interfaces §12.0).
fn bank_number(letters: &str, id: &Id) -> String {
    const SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut number = letters.to_owned();
    let bits = id
        .as_str()
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .fold(0_u128, |bits, digit| bits << 4 | u128::from(char::from(digit).to_digit(16).unwrap_or(0)));
    for place in 0..26 {
        let at = usize::try_from(bits >> (125_u32.saturating_sub(5 * place)) & 31).unwrap_or(0);
        number.push(char::from(SIGNS[at]));
    }
    number
}

/// Something that the bank has said of an order, in FHIR's form or in that of an answer.
#[derive(Clone, Debug)]
struct Report<'a> {
    trade: &'a str,
    amount: Money,
    at: OffsetDateTime,
}

impl<'a> Report<'a> {
    /// Of an answer to a question.
    fn of_answer(answered: &Answered<'a>, now: OffsetDateTime) -> Option<Self> {
        let currency = crate::money::Currency::of_code(answered.output("currency")?)?;
        Some(Self {
            trade: answered.output("bankTradeNo")?,
            amount: Money { fen: answered.output("amountFen")?.parse().ok()?, currency },
            at: fhir::moment(answered.output("paidAt")).unwrap_or(now),
        })
    }

    /// Of a notice: a PaymentReconciliation that a channel has made of it.
    fn of_notice(fact: &'a Fact, now: OffsetDateTime) -> Option<Self> {
        Some(Self {
            trade: fact.text(&["paymentIdentifier", "value"])?,
            amount: Money::of(fact.tree().get("paymentAmount"))?,
            at: fhir::moment(fact.text(&["created"])).unwrap_or(now),
        })
    }
}

/// The rest of a JSON number's text.
fn outputs(answered: &Answered<'_>) -> Option<Json> {
    answered.task.tree().get("output").cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_for_the_bank_has_its_form_and_is_the_ids_own() {
        let number = |text: &str| bank_number("HT", &Id::of_parts([text]));
        assert_eq!(number("a").len(), 28);
        assert!(number("a").bytes().all(|sign| sign.is_ascii_digit() || sign.is_ascii_uppercase()));
        assert_ne!(number("a"), number("b"));
        assert_eq!(number("a"), number("a"));
        assert_eq!(
            bank_number("HT", &Id::new("ffffffff-ffff-ffff-ffff-ffffffffffff").unwrap())[2..].len(),
            26
        );
    }
}
