//! The gateway's rules: approved signatures and templates, their variables, and how many texts a number gets.

use std::collections::BTreeMap;

use time::{Duration, PrimitiveDateTime};

use super::super::office::locked;
use super::{House, Lookup, No, Said, Sent, Speech, Template, Values, Wanted, acs3};

impl House {
    /// Sends a text, if no rule is broken.
    pub(super) fn send(&self, wanted: Wanted) -> Result<Sent, No> {
        let Wanted { speech, phone, sign_name, template, values, reference } = wanted;
        let is_overseas = !phone.starts_with("+86");
        if !is_overseas && (phone.len() != 14 || !phone.starts_with("+861")) {
            return Err(No::Number);
        }
        if sign_name != self.settings.sign_name {
            return Err(No::SignName);
        }
        let is_meant = |approved: &&Template| {
            let own = match speech {
                Speech::Acs3 => &approved.code,
                Speech::Tc3 => &approved.id,
            };
            *own == template && approved.overseas == is_overseas
        };
        let approved = self.settings.templates.iter().find(is_meant).ok_or(No::Template)?;
        let params = named(approved, values)?;
        if params.values().any(|value| value.chars().count() > self.settings.longest_value) {
            return Err(No::Length);
        }
        // At the style `acs3` it is the carrier who says so, by a report.
        if speech == Speech::Tc3 && self.office.is_declined(&phone) {
            return Err(No::Declined);
        }
        let now = self.office.now();
        self.is_within_limits(&phone, now)?;
        let text = params
            .iter()
            .fold(approved.text.clone(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
        let number = self.office.number();
        let sent = Sent {
            to: phone,
            template,
            text: format!("【{sign_name}】{text}"),
            params,
            reference,
            partner_id: match speech {
                Speech::Acs3 => format!("{:018}^0", 900_619_746_936_498_440_u64 + number),
                Speech::Tc3 => format!("2640:{:012}", 14_000_000_000 + number),
            },
            at: now,
            receipt: None,
        };
        self.office.keep(sent.clone());
        // Nobody hears it only when the gateway is being stopped.
        let _stopped = self.telling.send((speech, sent.clone()));
        Ok(sent)
    }

    fn is_within_limits(&self, phone: &str, now: PrimitiveDateTime) -> Result<(), No> {
        let sent = locked(&self.office.sent);
        let since = |is_counted: &dyn Fn(PrimitiveDateTime) -> bool| {
            sent.iter().filter(|sent| sent.to == phone && is_counted(sent.at)).count()
        };
        let is_full = |most: usize, count: usize| most > 0 && count >= most;
        let settings = &self.settings;
        if is_full(settings.per_day, since(&|at| at.date() == now.date())) {
            return Err(No::PerDay);
        }
        if is_full(settings.per_hour, since(&|at| now - at < Duration::HOUR)) {
            return Err(No::PerHour);
        }
        if is_full(settings.per_minute, since(&|at| now - at < Duration::MINUTE)) {
            return Err(No::PerMinute);
        }
        Ok(())
    }

    /// What was sent to a number, newest first.
    pub(super) fn list(&self, lookup: &Lookup) -> Said {
        let sent = locked(&self.office.sent);
        let times = lookup.from..=lookup.to;
        let is_meant = |sent: &&Sent| {
            // Eleven digits without a country may be either's.
            acs3::bare(&sent.to) == acs3::bare(&lookup.phone)
                && times.contains(&sent.at.assume_utc().unix_timestamp())
        };
        let all: Vec<&Sent> = sent.iter().rev().filter(is_meant).collect();
        let page = all.iter().skip(lookup.skip).take(lookup.take).map(|sent| (*sent).clone()).collect();
        Said::Listed { total: all.len(), page }
    }
}

/// The variables of a text, in their order.
fn variables(text: &str) -> Vec<&str> {
    text.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

/// Every variable of the template by its name, and no other.
fn named(approved: &Template, values: Values) -> Result<BTreeMap<String, String>, No> {
    let names = variables(&approved.text);
    let named: BTreeMap<String, String> = match values {
        Values::Named(values) => values.into_iter().collect(),
        Values::Placed(values) if values.len() != names.len() => return Err(No::Variables),
        Values::Placed(values) => names.iter().map(|name| (*name).to_owned()).zip(values).collect(),
    };
    let is_whole = names.len() == named.len()
        && names.iter().all(|name| named.get(*name).is_some_and(|value| !value.is_empty()));
    if is_whole { Ok(named) } else { Err(No::Variables) }
}
