//! The functions the HIS offers, field by field: what must be there, what may be there, and of which shape.

use super::clock::{read_day, read_hour, read_stamp};
use super::element::Element;
use super::money::Fen;

/// What a value looks like.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Text of at most so many characters.
    Text(usize),
    /// A whole number between two, both included.
    Number(u32, u32),
    /// Yuan with at most two decimals.
    Money,
    /// `2026-03-02`.
    Day,
    /// `08:00`.
    Hour,
    /// `2026-03-02 08:00:00` or `20260302080000`.
    Stamp,
    /// One of these.
    One(&'static [&'static str]),
    /// Elements of this name that hold text.
    Texts(&'static str),
    /// Elements of this name that hold these fields.
    List(&'static str, &'static [Field]),
}

/// A field of a request's `Body`.
#[derive(Clone, Copy)]
pub(super) struct Field {
    name: &'static str,
    is_required: bool,
    shape: Shape,
}

/// A function.
pub(super) struct Function {
    pub(super) code: &'static str,
    /// Whether it changes something: then the same `TransSeq` gets the same answer.
    pub(super) writes: bool,
    fields: &'static [Field],
}

const fn must(name: &'static str, shape: Shape) -> Field {
    Field { name, is_required: true, shape }
}

const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, is_required: false, shape }
}

const fn asks(code: &'static str, fields: &'static [Field]) -> Function {
    Function { code, writes: false, fields }
}

const fn does(code: &'static str, fields: &'static [Field]) -> Function {
    Function { code, writes: true, fields }
}

const ID: Shape = Shape::Text(64);
const SEQ: Field = may("TransSeq", Shape::Text(32));
const PAGE: Field = may("PageNo", Shape::Number(1, 1_000_000));
const MASTER: &[Field] = &[may("LastUpdateTime", Shape::Stamp), PAGE, may("PageSize", Shape::Number(1, 500))];
const CLINIC: Shape = Shape::One(&["0", "1", "2", "3"]);
const PAY_MODE: Shape =
    Shape::One(&["WX", "ALI", "UNION", "FOREIGN_CARD", "INSURANCE", "PACKAGE", "VOUCHER", "FREE"]);
/// The types of section 2.1; 09 is the Hong Kong identity card, 10 the foreigner's permanent residence.
const ID_TYPE: Shape = Shape::One(&["01", "03", "04", "06", "07", "08", "09", "10", "99"]);
const SEX: Shape = Shape::One(&["0", "1", "2", "9"]);
const PATIENT: [Field; 16] = [
    must("Name", Shape::Text(100)),
    may("NameEn", Shape::Text(100)),
    must("Sex", SEX),
    must("BirthDate", Shape::Day),
    must("IdType", ID_TYPE),
    must("IdNo", Shape::Text(40)),
    must("Phone", Shape::Text(20)),
    may("Nation", Shape::Text(2)),
    must("Nationality", Shape::Text(3)),
    may("Address", Shape::Text(300)),
    may("GuardianName", Shape::Text(100)),
    may("GuardianIdNo", Shape::Text(40)),
    may("GuardianPhone", Shape::Text(20)),
    may("PatientClass", Shape::One(&["1", "2"])),
    may("Source", Shape::One(&["IMPF"])),
    SEQ,
];

/// All of them, by their number.
pub(super) const FUNCTIONS: &[Function] = &[
    asks("H101", MASTER),
    asks("H102", MASTER),
    asks("H103", MASTER),
    asks("H105", MASTER),
    asks("H107", MASTER),
    asks(
        "H201",
        &[may("IdType", ID_TYPE), may("IdNo", ID), may("PatientId", ID), may("CardNo", ID), may("Name", ID)],
    ),
    does("H202", &PATIENT),
    does(
        "H203",
        &[
            SEQ,
            must("PatientId", ID),
            may("Name", Shape::Text(100)),
            may("NameEn", Shape::Text(100)),
            may("Sex", SEX),
            may("BirthDate", Shape::Day),
            may("IdType", ID_TYPE),
            may("IdNo", Shape::Text(40)),
            may("Phone", Shape::Text(20)),
            may("Nation", Shape::Text(2)),
            may("Nationality", Shape::Text(3)),
            may("Address", Shape::Text(300)),
            may("GuardianName", Shape::Text(100)),
            may("GuardianIdNo", Shape::Text(40)),
            may("GuardianPhone", Shape::Text(20)),
            may("PatientClass", Shape::One(&["1", "2"])),
        ],
    ),
    asks(
        "H301",
        &[
            must("StartDate", Shape::Day),
            must("EndDate", Shape::Day),
            may("DeptCode", ID),
            may("StaffCode", ID),
            may("ClinicType", CLINIC),
        ],
    ),
    asks("H302", &[must("ScheduleId", ID)]),
    does(
        "H303",
        &[
            SEQ,
            must("SlotId", ID),
            must("PatientId", ID),
            may("LockMinutes", Shape::Number(1, 30)),
            may("Channel", Shape::One(&["IMPF"])),
        ],
    ),
    does("H304", &[SEQ, must("LockId", ID)]),
    does(
        "H305",
        &[
            SEQ,
            must("LockId", ID),
            must("PatientId", ID),
            must("PayMode", PAY_MODE),
            must("PayAmount", Shape::Money),
            must("PayTime", Shape::Stamp),
            must("MchOrderNo", ID),
            must("BankTradeNo", ID),
        ],
    ),
    does(
        "H306",
        &[
            SEQ,
            must("RegNo", ID),
            must("Mode", Shape::One(&["CHECK", "DO"])),
            may("Reason", Shape::Text(200)),
            may("RefundAmount", Shape::Money),
            may("OrigMchOrderNo", ID),
            may("MchRefundNo", ID),
        ],
    ),
    asks(
        "H307",
        &[may("PatientId", ID), may("RegNo", ID), may("StartDate", Shape::Day), may("EndDate", Shape::Day)],
    ),
    does(
        "H309",
        &[
            SEQ,
            must("StaffCode", ID),
            must("DeptCode", ID),
            must("Date", Shape::Day),
            must("StartTime", Shape::Hour),
            must("EndTime", Shape::Hour),
            must("ClinicType", CLINIC),
            may("RoomCode", ID),
            must("TotalNum", Shape::Number(1, 200)),
            must("RegFee", Shape::Money),
            must("ConsultFee", Shape::Money),
        ],
    ),
    asks("H501", &[must("PatientId", ID), may("VisitNo", ID)]),
    asks("H502", &[must("BillNo", ID)]),
    does("H503", &[SEQ, must("PatientId", ID), must("BillNos", Shape::Texts("BillNo"))]),
    does(
        "H504",
        &[
            SEQ,
            must("PreSettleNo", ID),
            must(
                "Payments",
                Shape::List(
                    "Payment",
                    &[
                        must("PayMode", PAY_MODE),
                        must("Amount", Shape::Money),
                        must("MchOrderNo", ID),
                        must("BankTradeNo", ID),
                        must("PayTime", Shape::Stamp),
                    ],
                ),
            ),
        ],
    ),
    does(
        "H505",
        &[
            SEQ,
            must("SettleNo", ID),
            may("Items", Shape::Texts("ItemCode")),
            may("Reason", Shape::Text(200)),
            may("MchRefundNo", ID),
        ],
    ),
    asks("H506", &[may("TransSeq", Shape::Text(32)), may("MchOrderNo", ID)]),
    asks("H507", &[must("BusinessDate", Shape::Day), PAGE, may("PageSize", Shape::Number(1, 500))]),
    asks("H902", &[may("LastEventId", Shape::Number(0, u32::MAX)), may("PageSize", Shape::Number(1, 500))]),
];

/// The function of a code.
pub(super) fn function(code: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.code == code)
}

impl Function {
    /// Holds a `Body` against its fields; an error names the field.
    pub(super) fn check(&self, body: &Element) -> Result<(), String> {
        check(self.fields, body)
    }
}

fn check(fields: &[Field], body: &Element) -> Result<(), String> {
    for (at, child) in body.children.iter().enumerate() {
        let name = &child.name;
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            return Err(format!("`{name}` is no field here"));
        };
        if body.children[..at].iter().any(|before| before.name == *name) {
            return Err(format!("`{name}` is there twice"));
        }
        if !is_empty(child) && !field.shape.fits(child)? {
            return Err(format!("`{name}` has another shape"));
        }
    }
    let missing =
        fields.iter().find(|field| field.is_required && body.child(field.name).is_none_or(is_empty));
    match missing {
        Some(field) => Err(format!("`{}` is missing", field.name)),
        None => Ok(()),
    }
}

fn is_empty(element: &Element) -> bool {
    element.children.is_empty() && element.text.trim().is_empty()
}

impl Shape {
    fn fits(self, element: &Element) -> Result<bool, String> {
        let text = element.text.trim();
        if let Self::List(item, fields) = self {
            for child in &element.children {
                check(fields, child)?;
            }
            return Ok(element.children.iter().all(|child| child.name == item));
        }
        if let Self::Texts(item) = self {
            let fits = |child: &Element| child.name == item && child.children.is_empty() && !is_empty(child);
            return Ok(!element.children.is_empty() && element.children.iter().all(fits));
        }
        if !element.children.is_empty() {
            return Ok(false);
        }
        Ok(match self {
            Self::Text(longest) => text.chars().count() <= longest,
            Self::Number(low, high) => text.parse().is_ok_and(|number: u32| (low..=high).contains(&number)),
            Self::Money => Fen::read(text).is_some(),
            Self::Day => read_day(text).is_some(),
            Self::Hour => read_hour(text).is_some(),
            Self::Stamp => read_stamp(text).is_some(),
            Self::One(known) => known.contains(&text),
            Self::List(..) | Self::Texts(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(code: &str, body: &str) -> Option<String> {
        let body = Element::read(&format!("<Body>{body}</Body>")).ok().unwrap();
        function(code).unwrap().check(&body).err()
    }

    #[test]
    fn a_body_is_held_against_the_fields_of_its_function() {
        assert_eq!(problem("H302", "<ScheduleId>S1</ScheduleId>"), None);
        for (code, body) in [
            ("H302", ""),
            ("H302", "<ScheduleId> </ScheduleId>"),
            ("H302", "<ScheduleId>S1</ScheduleId><ScheduleId>S1</ScheduleId>"),
            ("H302", "<ScheduleId>S1</ScheduleId><Extra>1</Extra>"),
            ("H303", "<SlotId>S</SlotId><PatientId>1</PatientId><LockMinutes>31</LockMinutes>"),
            ("H301", "<StartDate>2026-02-30</StartDate><EndDate>2026-03-01</EndDate>"),
            ("H101", "<PageSize>501</PageSize>"),
            ("H503", "<PatientId>1</PatientId><BillNos><Bill>1</Bill></BillNos>"),
            (
                "H504",
                "<PreSettleNo>1</PreSettleNo><Payments><Payment><Amount>1.001</Amount></Payment></Payments>",
            ),
        ] {
            assert!(problem(code, body).is_some(), "{code} {body}");
        }
    }
}
