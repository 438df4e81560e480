//! The table of templates: what the partner has approved, by event and language, and how a notice fills it (rule MSG-1).

use std::collections::{BTreeMap, BTreeSet};

use hub_core::destination::DeliveryError;

use crate::notice::{Notice, never};

/// Templates by event, then language: `templates."booking-booked".zh-Hans`.
pub type Templates<T> = BTreeMap<String, BTreeMap<String, T>>;

/// The template of a notice.
pub(crate) fn find<'a, T>(templates: &'a Templates<T>, notice: &Notice) -> Result<&'a T, DeliveryError> {
    let Notice { template, language, .. } = notice;
    let languages =
        templates.get(template).ok_or_else(|| never("the notice's `template` is not in the table"))?;
    languages
        .get(language)
        .ok_or_else(|| never(format!("the template `{template}` is not there in the notice's `language`")))
}

/// The value of every variable, in the template's order. What is missing, unknown, empty, left open or too long is named; its
/// value never is.
pub(crate) fn fill<'a>(
    notice: &'a Notice,
    params: &[&str],
    limit: impl Fn(&str) -> usize,
) -> Result<Vec<&'a str>, DeliveryError> {
    let wanted: BTreeSet<&str> = params.iter().copied().collect();
    let of = &notice.template;
    if notice.params.keys().any(|name| !wanted.contains(name.as_str())) {
        // A name that is not in the table may be anything, also somebody's name.
        return Err(never(format!("the template `{of}` has not all variables of the notice")));
    }
    let mut values = Vec::with_capacity(params.len());
    for name in params {
        let value = notice.params.get(*name).map(|value| value.trim()).unwrap_or_default();
        if value.is_empty() {
            return Err(never(format!("the variable `{name}` of the template `{of}` has no value")));
        }
        if value == "null" || value.contains("${") || value.contains("{{") {
            return Err(never(format!("the variable `{name}` of the template `{of}` was left open")));
        }
        let longest = limit(name);
        if value.chars().count() > longest {
            let what =
                format!("the variable `{name}` of the template `{of}` has more than {longest} characters");
            return Err(never(what));
        }
        values.push(value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(params: &str) -> Result<Vec<String>, String> {
        let notice = format!(r#"{{"to":"1","template":"t","language":"en","ref":"r","params":{params}}}"#);
        let notice: Notice = serde_json::from_str(&notice).unwrap();
        match fill(&notice, &["time", "place"], |_| 5) {
            Ok(values) => Ok(values.into_iter().map(str::to_owned).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn values_stand_in_the_order_of_the_template() {
        assert_eq!(filled(r#"{"place":"三楼东区五","time":"9:00"}"#).unwrap(), ["9:00", "三楼东区五"]);
    }

    /// MSG-1: unknown or missing variable, no "null", no "${}".
    #[test]
    fn what_does_not_fit_is_named_without_its_value() {
        for (params, word) in [
            (r#"{"time":"9:00"}"#, "`place` of the template `t` has no value"),
            (r#"{"time":"9:00","place":" "}"#, "`place` of the template `t` has no value"),
            (r#"{"time":"9:00","place":"null"}"#, "`place` of the template `t` was left open"),
            (r#"{"time":"9:00","place":"${p}"}"#, "`place` of the template `t` was left open"),
            (r#"{"time":"9:00","place":"secret"}"#, "`place` of the template `t` has more than 5 characters"),
            (r#"{"time":"9:00","place":"x","secret":"x"}"#, "has not all variables"),
        ] {
            let error = filled(params).unwrap_err();
            assert!(error.contains(word) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_template_that_is_not_in_the_table_is_never_sent() {
        let notice = r#"{"to":"1","template":"t","language":"fr","ref":"r"}"#;
        let notice: Notice = serde_json::from_str(notice).unwrap();
        let mut templates: Templates<()> = BTreeMap::new();
        assert!(find(&templates, &notice).is_err());
        templates.entry("t".to_owned()).or_default().insert("en".to_owned(), ());
        assert!(find(&templates, &notice).is_err());
        templates.entry("t".to_owned()).or_default().insert("fr".to_owned(), ());
        assert!(find(&templates, &notice).is_ok());
    }
}
