//! A model of the bank: orders that are paid, closed and given back.

use std::collections::BTreeMap;

use super::dice::Dice;
use crate::partner::{Answer, Asked};

/// What the bank has.
#[derive(Default)]
pub struct Bank {
    orders: BTreeMap<String, Order>,
    refunds: BTreeMap<String, Refund>,
    count: u64,
}

#[derive(Clone)]
struct Order {
    fen: i64,
    state: &'static str,
    trade: String,
}

#[derive(Clone)]
struct Refund {
    order: String,
    fen: i64,
    state: &'static str,
}

/// A payment that the bank tells of.
#[derive(Clone)]
pub struct Notice {
    pub order: String,
    pub trade: String,
    pub fen: i64,
}

impl Bank {
    /// Does what is asked; the same asked again comes to the same.
    pub fn act(&mut self, asked: &Asked, dice: &mut Dice) -> Answer {
        let input = |name: &str| asked.inputs.get(name).cloned().unwrap_or_default();
        let order_no = input("order-no");
        match asked.act.as_str() {
            "payment-create" => {
                let fen = input("amount-fen").parse().unwrap();
                let order = Order { fen, state: "CREATED", trade: String::new() };
                self.orders.entry(order_no).or_insert(order);
                Answer::done(&[("state", "CREATED"), ("h5Url", "https://bank.example/pay")])
            }
            "payment-query" => match self.orders.get(&order_no) {
                None => Answer::refused("ORDER_NOT_EXIST"),
                Some(order) => {
                    let fen = order.fen.to_string();
                    Answer::done(&[
                        ("state", order.state),
                        ("bankTradeNo", order.trade.as_str()),
                        ("amountFen", fen.as_str()),
                        ("currency", "CNY"),
                    ])
                }
            },
            "payment-close" => match self.orders.get_mut(&order_no) {
                None => Answer::refused("ORDER_NOT_EXIST"),
                Some(order) if order.state == "PAID" => Answer::refused("ORDER_PAID"),
                Some(order) => {
                    order.state = "CLOSED";
                    Answer::done(&[("state", "CLOSED")])
                }
            },
            "payment-refund" => {
                let number = input("refund-no");
                let fen: i64 = input("refund-fen").parse().unwrap();
                if !self.refunds.contains_key(&number) {
                    let order = &self.orders[&order_no];
                    let back = self.given_back(&order_no);
                    if order.state != "PAID" || back + fen > order.fen {
                        return Answer::refused("NOT_ENOUGH");
                    }
                    let state = if dice.percent(30) { "PROCESSING" } else { "SUCCESS" };
                    self.refunds.insert(number.clone(), Refund { order: order_no, fen, state });
                }
                Answer::done(&[("state", self.refunds[&number].state)])
            }
            "refund-query" => match self.refunds.get_mut(&input("refund-no")) {
                None => Answer::refused("RESOURCE_NOT_EXISTS"),
                Some(refund) => {
                    if dice.percent(60) {
                        refund.state = "SUCCESS";
                    }
                    Answer::done(&[("state", refund.state)])
                }
            },
            other => panic!("the bank knows no `{other}`"),
        }
    }

    /// Somebody pays an open order, if there is one.
    pub fn pay(&mut self, dice: &mut Dice) -> Option<Notice> {
        let open: Vec<String> = self
            .orders
            .iter()
            .filter(|(_, order)| order.state == "CREATED")
            .map(|(number, _)| number.clone())
            .collect();
        if open.is_empty() {
            return None;
        }
        let number = dice.one(&open).clone();
        self.count += 1;
        let order = self.orders.get_mut(&number)?;
        order.state = "PAID";
        order.trade = format!("T{}", self.count);
        Some(Notice { trade: order.trade.clone(), fen: order.fen, order: number })
    }

    fn given_back(&self, order: &str) -> i64 {
        self.refunds.values().filter(|refund| refund.order == order).map(|refund| refund.fen).sum()
    }

    /// What the bank keeps of an order: paid, less what was given back.
    pub fn kept(&self, order: &str) -> i64 {
        let paid = self.orders.get(order).filter(|order| order.state == "PAID").map_or(0, |order| order.fen);
        paid - self.given_back(order)
    }
}
