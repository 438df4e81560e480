//! FHIR values in one line of text, as partners' JSON, XML and files want them.

use hub_fhir::Json;

use super::names::has_ideograph;
use super::{Context, Outcome};
use crate::read::Value;

/// The text of the name; else its parts, Chinese ones in their order and without blanks.
pub(super) fn human_name(value: Value<'_>, _: &Context<'_>) -> Outcome {
    if let Some(whole) = value.child_text("text").or_else(|| value.text()) {
        return Ok(Some(Json::string(whole)));
    }
    let words =
        |name: &str| value.children(name).iter().filter_map(Value::text).collect::<Vec<_>>().join(" ");
    let (family, given) = (words("family"), words("given"));
    let is_chinese = has_ideograph(&family) || has_ideograph(&given);
    let parts =
        if is_chinese { vec![family, given] } else { vec![words("prefix"), given, family, words("suffix")] };
    Ok(joined(parts, if is_chinese { "" } else { " " }))
}

/// The text of the address; else its lines and parts. Chinese addresses go from the country to the house.
pub(super) fn address(value: Value<'_>, _: &Context<'_>) -> Outcome {
    if let Some(whole) = value.child_text("text").or_else(|| value.text()) {
        return Ok(Some(Json::string(whole)));
    }
    let words = |name: &str| {
        value.children(name).iter().filter_map(Value::text).map(String::from).collect::<Vec<_>>()
    };
    let outwards = ["line", "district", "city", "state", "postalCode", "country"].map(words);
    let is_chinese = outwards.iter().flatten().any(|word| has_ideograph(word));
    if is_chinese {
        let inwards = ["state", "city", "district", "line"].map(words);
        return Ok(joined(inwards.into_iter().flatten().collect(), ""));
    }
    Ok(joined(outwards.into_iter().flatten().collect(), ", "))
}

/// The text, else the words of the first coding, else its code.
pub(super) fn concept(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let coding = value.child("coding").unwrap_or(value);
    let words = value
        .child_text("text")
        .or_else(|| coding.child_text("display"))
        .or_else(|| coding.child_text("code"))
        .or_else(|| value.text());
    Ok(words.map(Json::string))
}

/// Comparator, number and unit: `<0.5 mmol/L`.
pub(super) fn quantity(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let Some(number) = value.child_text("value").or_else(|| value.text()) else { return Ok(None) };
    let comparator = value.child_text("comparator").unwrap_or_default();
    let unit = value.child_text("unit").or_else(|| value.child_text("code"));
    let unit = unit.map_or_else(String::new, |unit| format!(" {unit}"));
    Ok(Some(Json::string(format!("{comparator}{number}{unit}"))))
}

fn joined(words: Vec<String>, between: &str) -> Option<Json> {
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| Json::string(words.join(between)))
}
