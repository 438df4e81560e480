//! Times as people say them at the prompt: an age before now, or a moment of RFC 3339.

use anyhow::{Context, bail};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// The moment that `text` names.
pub fn moment(text: &str, now: OffsetDateTime) -> anyhow::Result<OffsetDateTime> {
    if let Some(age) = age(text) {
        return now.checked_sub(age).with_context(|| format!("`{text}` is before all time"));
    }
    match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(moment) => Ok(moment),
        Err(_) => {
            bail!("`{text}` is no time: expected an age such as 15m, 2h, 7d, or 2026-11-23T08:00:00+08:00")
        }
    }
}

fn age(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let count: u32 = text[..text.len() - 1].parse().ok()?;
    Some(Duration::seconds(i64::from(count) * seconds))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_time_is_an_age_or_a_moment() {
        let now = datetime!(2026-11-23 12:00 UTC);
        assert_eq!(moment("7d", now).unwrap(), datetime!(2026-11-16 12:00 UTC));
        assert_eq!(moment("15m", now).unwrap(), datetime!(2026-11-23 11:45 UTC));
        assert_eq!(moment("2026-11-23T08:00:00+08:00", now).unwrap(), datetime!(2026-11-23 0:00 UTC));
        for wrong in ["", "d", "7", "seven days", "日", "2026-11-23"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }
}
