//! H501 to H505: what a visit costs besides its number: bills, counted together, paid, given back.

use time::Duration;

use super::super::clock::stamped;
use super::super::codes::{Answer, refuse, wrong};
use super::super::element::{Element, leaf, node};
use super::super::house::HOUSE;
use super::super::memory::{Bill, Entry, PreSettlement, Settlement};
use super::super::money::Fen;
use super::Hospital;

/// How long bills that were counted together keep their price.
const PRE_SETTLED_FOR: Duration = Duration::minutes(30);
/// How long a bill is to be paid.
const BILL_FOR: Duration = Duration::days(3);

impl Hospital {
    pub(super) fn query_unpaid(&mut self, body: &Element) -> Answer {
        let [patient, visit] = ["PatientId", "VisitNo"].map(|name| body.get(name));
        if self.patient(patient).is_none() {
            return Err(refuse("2001"));
        }
        let is_asked = |bill: &&Bill| {
            !bill.is_settled && bill.patient == patient && (visit.is_empty() || bill.visit_no == visit)
        };
        let written = |bill: &Bill| {
            node(
                "Bill",
                vec![
                    leaf("BillNo", &bill.bill_no),
                    leaf("BillType", "1"),
                    leaf("VisitNo", &bill.visit_no),
                    leaf("DeptCode", &bill.department),
                    leaf("StaffCode", &bill.doctor),
                    leaf("CreateTime", stamped(bill.created)),
                    leaf("Amount", bill.amount()),
                    leaf("ValidUntil", stamped(bill.created + BILL_FOR)),
                ],
            )
        };
        let bills = self.memory.bills.values().filter(is_asked).map(written).collect();
        Ok(vec![node("Bills", bills)])
    }

    pub(super) fn query_fees(&mut self, body: &Element) -> Answer {
        let bill = self.memory.bills.get(body.get("BillNo")).ok_or_else(|| wrong("`BillNo` is not known"))?;
        Ok(vec![node("Items", bill.items.clone())])
    }

    pub(super) fn pre_settle(&mut self, body: &Element) -> Answer {
        let patient = body.get("PatientId");
        let mut bills = Vec::new();
        let mut amount = Fen(0);
        for number in body.list("BillNos") {
            let number = number.text.trim();
            let bill = self.memory.bills.get(number).filter(|bill| bill.patient == patient);
            let bill = bill.ok_or_else(|| wrong("a `BillNo` is not one of the patient's"))?;
            if bill.is_settled {
                return Err(refuse("5002"));
            }
            if bills.contains(&bill.bill_no) {
                return Err(wrong("a `BillNo` is there twice"));
            }
            amount = amount + bill.amount();
            bills.push(bill.bill_no.clone());
        }
        let expires = self.now() + PRE_SETTLED_FOR;
        let number = self.memory.next("Y");
        let counted = PreSettlement { patient: patient.to_owned(), bills, amount, expires };
        self.memory.pre_settlements.insert(number.clone(), counted);
        Ok(vec![
            leaf("PreSettleNo", number),
            leaf("TotalAmount", amount),
            leaf("FundAmount", Fen(0)),
            leaf("SelfAmount", amount),
            leaf("ExpireTime", stamped(expires)),
        ])
    }

    pub(super) fn settle(&mut self, body: &Element) -> Answer {
        let known = self.memory.pre_settlements.get(body.get("PreSettleNo")).cloned();
        let counted = known.ok_or_else(|| wrong("`PreSettleNo` is not known"))?;
        let bills: Vec<&Bill> =
            counted.bills.iter().filter_map(|number| self.memory.bills.get(number)).collect();
        if bills.iter().any(|bill| bill.is_settled) {
            return Err(refuse("5002"));
        }
        let due: Fen = bills.iter().map(|bill| bill.amount()).sum();
        if due != counted.amount || self.now() >= counted.expires {
            return Err(refuse("5001"));
        }
        let payments = body.list("Payments");
        let paid: Fen = payments.iter().filter_map(|payment| Fen::read(payment.get("Amount"))).sum();
        if paid != counted.amount {
            return Err(refuse("5003"));
        }
        let Some(first) = payments.first() else { return Err(wrong("`Payments` is empty")) };
        let settlement = Settlement {
            settle_no: self.memory.next("J"),
            patient: counted.patient.clone(),
            amount: counted.amount,
            mch_order_no: first.get("MchOrderNo").to_owned(),
            bank_trade_no: first.get("BankTradeNo").to_owned(),
            pay_mode: first.get("PayMode").to_owned(),
            refunded: Vec::new(),
            bills: counted.bills.clone(),
        };
        for payment in payments {
            self.memory.ledger.push(Entry {
                at: self.clock.now(),
                trade_type: "PAY".to_owned(),
                biz_type: "FEE".to_owned(),
                his_trade_no: settlement.settle_no.clone(),
                mch_order_no: payment.get("MchOrderNo").to_owned(),
                bank_trade_no: payment.get("BankTradeNo").to_owned(),
                orig_mch_order_no: String::new(),
                patient: settlement.patient.clone(),
                amount: Fen::read(payment.get("Amount")).unwrap_or_default(),
                pay_mode: payment.get("PayMode").to_owned(),
            });
        }
        for number in &counted.bills {
            if let Some(bill) = self.memory.bills.get_mut(number) {
                bill.is_settled = true;
            }
        }
        let number = settlement.settle_no.clone();
        self.memory.settlements.insert(number.clone(), settlement);
        Ok(vec![
            leaf("SettleNo", number),
            leaf("InvoiceNo", self.memory.next("F")),
            leaf("GuideInfo", "请凭此指引前往相应科室检查或药房取药"),
        ])
    }

    /// Gives back the items named, or all that were not given back yet.
    pub(super) fn refund(&mut self, body: &Element) -> Answer {
        let known = self.memory.settlements.get(body.get("SettleNo")).cloned();
        let mut settlement = known.ok_or_else(|| wrong("`SettleNo` is not known"))?;
        let bills = settlement.bills.iter().filter_map(|number| self.memory.bills.get(number));
        let items: Vec<&Element> = bills.flat_map(|bill| &bill.items).collect();
        let named: Vec<&str> = body.list("Items").iter().map(|code| code.text.trim()).collect();
        if named.iter().any(|code| !items.iter().any(|item| item.get("ItemCode") == *code)) {
            return Err(wrong("an `ItemCode` is not one of the settlement's"));
        }
        let is_left = |item: &&&Element| {
            let code = item.get("ItemCode");
            (named.is_empty() || named.contains(&code))
                && !settlement.refunded.iter().any(|before| before == code)
        };
        let left: Vec<&Element> = items.iter().filter(is_left).copied().collect();
        if left.is_empty() {
            return Err(refuse("5002"));
        }
        let amount: Fen = left.iter().filter_map(|item| Fen::read(item.get("Amount"))).sum();
        let codes: Vec<String> = left.iter().map(|item| item.get("ItemCode").to_owned()).collect();
        let number = self.memory.next("B");
        self.memory.ledger.push(Entry {
            at: self.clock.now(),
            trade_type: "REFUND".to_owned(),
            biz_type: "FEE".to_owned(),
            his_trade_no: number.clone(),
            mch_order_no: body.get("MchRefundNo").to_owned(),
            bank_trade_no: settlement.bank_trade_no.clone(),
            orig_mch_order_no: settlement.mch_order_no.clone(),
            patient: settlement.patient.clone(),
            amount,
            pay_mode: settlement.pay_mode.clone(),
        });
        settlement.refunded.extend(codes);
        self.memory.settlements.insert(settlement.settle_no.clone(), settlement);
        Ok(vec![leaf("RefundNo", number), leaf("RefundAmount", amount)])
    }

    /// A doctor orders what costs money, for a visit: (item, how many). Only for the control API; `None` where the visit
    /// or an item is not known.
    pub(in super::super) fn add_bill(&mut self, reg_no: &str, ordered: &[(String, u32)]) -> Option<String> {
        let visit = self.memory.registrations.get(reg_no)?.clone();
        let is_international = self.patient(&visit.patient)?.get("PatientClass") == "2";
        let mut items = Vec::new();
        for (code, count) in ordered {
            let item = self.item("H105", code)?;
            let (ordinary, international) = HOUSE.price(code)?;
            let price = if is_international { international.unwrap_or(ordinary) } else { ordinary };
            items.push(node(
                "Item",
                vec![
                    leaf("ItemCode", code),
                    leaf("ItemName", item.get("ItemName")),
                    leaf("Spec", ""),
                    leaf("Unit", item.get("Unit")),
                    leaf("Qty", count),
                    leaf("Price", price),
                    leaf("Amount", Fen(price.0 * i64::from(*count))),
                    leaf("Category", item.get("Category")),
                    leaf("PrescNo", ""),
                    leaf("CatalogType", "自费"),
                ],
            ));
        }
        let bill = Bill {
            bill_no: self.memory.next("Z"),
            patient: visit.patient,
            visit_no: visit.visit_no,
            department: visit.department,
            doctor: visit.doctor,
            created: self.now(),
            items,
            is_settled: false,
        };
        let number = bill.bill_no.clone();
        self.memory.bills.insert(number.clone(), bill);
        Some(number)
    }

    /// The doctor takes the last item off a bill again: who has counted it meanwhile hears 5001.
    pub(in super::super) fn shorten_bill(&mut self, bill_no: &str) -> bool {
        let bill = self.memory.bills.get_mut(bill_no).filter(|bill| !bill.is_settled);
        bill.is_some_and(|bill| bill.items.pop().is_some())
    }
}
