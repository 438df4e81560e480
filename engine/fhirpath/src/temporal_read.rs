//! Reads dates and times from their texts.

use crate::temporal::{Sort, Temporal, days_in_month};
use crate::temporal_shift::fitting_year;

/// What is left to read.
pub(crate) struct Reader<'t>(pub(crate) &'t [u8]);

impl Reader<'_> {
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.0.first() == Some(&byte);
        if is_next {
            self.0 = &self.0[1..];
        }
        is_next
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let digits = self.0.get(..count)?;
        let value = digits.iter().try_fold(0, |value: u32, digit| {
            digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0'))
        })?;
        self.0 = &self.0[count..];
        Some(value)
    }

    fn two(&mut self, least: u8, most: u8) -> Option<u8> {
        let value = u8::try_from(self.digits(2)?).ok()?;
        (least..=most).contains(&value).then_some(value)
    }

    pub(crate) fn date(&mut self) -> Option<Temporal> {
        let mut date = Temporal::empty(Sort::Date);
        date.year = fitting_year(i64::from(self.digits(4)?))?;
        if self.take(b'-') {
            let month = self.two(1, 12)?;
            date.month = Some(month);
            if self.take(b'-') {
                date.day = Some(self.two(1, days_in_month(date.year, month))?);
            }
        }
        Some(date)
    }

    pub(crate) fn time(&mut self, into: &mut Temporal) -> Option<()> {
        into.hour = Some(self.two(0, 23)?);
        if !self.take(b':') {
            return Some(());
        }
        into.minute = Some(self.two(0, 59)?);
        if !self.take(b':') {
            return Some(());
        }
        // A leap second counts as the one before it.
        let second = self.two(0, 60)?.min(59);
        let mut millis = 0;
        let has_fraction = self.take(b'.');
        if has_fraction {
            let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if count == 0 {
                return None;
            }
            let digits = (0..3).map(|at| if at < count { u32::from(self.0[at] - b'0') } else { 0 });
            millis = digits.fold(0, |value, digit| value * 10 + digit);
            self.0 = &self.0[count..];
        }
        into.millis = Some((u32::from(second) * 1000 + millis, has_fraction));
        Some(())
    }

    pub(crate) fn offset(&mut self) -> Option<Option<i32>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.take(b'Z') {
            return Some(Some(0));
        }
        let sign = if self.take(b'+') { 1 } else { self.take(b'-').then_some(-1)? };
        let hours = self.two(0, 14)?;
        let minutes = if self.take(b':') { self.two(0, 59)? } else { return None };
        Some(Some(sign * (i32::from(hours) * 60 + i32::from(minutes))))
    }
}
