//! Values that go through a code table.

use compact_str::CompactString;
use hub_fhir::Json;
use hub_fhir::primitive::Primitive;

use super::build::{Build, text};
use super::systems::coding_system;
use super::{Context, Misfit, numbers};
use crate::codes::{CodeTable, Coded, Found};
use crate::plan::CodeInto;
use crate::read::Value;

/// A longer value may be no code at all but a name or a result in the wrong field: it is not named.
const LONGEST_CODE: usize = 6;

/// What a code table made of a value.
pub(crate) enum Mapped {
    Value(Json),
    Nothing,
    /// The table leaves this code out; the reason is noted.
    Dropped(String),
}

/// Looks a value up in a code table and writes what it means.
pub(crate) fn make(
    table: &CodeTable,
    into: CodeInto,
    value: Value<'_>,
    context: &Context<'_>,
) -> Result<Mapped, Misfit> {
    let value = coded_part(value);
    let Some(code) = value.text() else { return Ok(Mapped::Nothing) };
    let target = match table.find(&code) {
        Found::Listed(coded) => {
            let system = coded.system.as_ref().or(table.target.as_ref()).cloned();
            Coding { system, coded: coded.clone() }
        }
        Found::Kept => kept(table, &code, value, context)?,
        Found::Dropped => return Ok(Mapped::Dropped(unlisted(table, &code))),
        Found::Unknown => return Err(Misfit::new(value, unlisted(table, &code))),
    };
    let code_text = target.coded.code.as_str();
    let json = match into {
        CodeInto::Plain => Json::String(target.coded.code),
        CodeInto::Boolean => Json::Bool(code_text == "true"),
        CodeInto::Number => match numbers::parse(code_text) {
            Some(number) => Json::Number(number),
            None => return Err(Misfit::new(value, "expected a number")),
        },
        CodeInto::Coding => target.json(),
        CodeInto::CodeableConcept => concept(table, target, &code, value)?,
    };
    Ok(Mapped::Value(json))
}

/// Of a FHIR Coding or CodeableConcept the code is meant.
fn coded_part(value: Value<'_>) -> Value<'_> {
    let coding = value.child("coding").unwrap_or(value);
    coding.child("code").unwrap_or(value)
}

/// A code with its system.
struct Coding {
    system: Option<CompactString>,
    coded: Coded,
}

impl Coding {
    fn json(self) -> Json {
        let mut built = Build::with_capacity(3);
        built.put_some("system", self.system.map(Json::String));
        built.put("code", Json::String(self.coded.code));
        built.put_some("display", self.coded.display.map(Json::String));
        built.json()
    }
}

/// The sender's own code. Its system: what the value names, the line's `system`, the table's `source`.
fn kept(table: &CodeTable, code: &str, value: Value<'_>, context: &Context<'_>) -> Result<Coding, Misfit> {
    if let Err(expected) = Primitive::Code.check(&Json::string(code)) {
        return Err(Misfit::new(value, expected));
    }
    let named = value.part_text(3);
    let system = coding_system(named.as_deref(), context).or_else(|| table.source.clone());
    Ok(Coding { system, coded: Coded { code: code.into(), system: None, display: display(value)? } })
}

fn display(value: Value<'_>) -> Result<Option<CompactString>, Misfit> {
    Ok(match text(value.part(2))? {
        Some(Json::String(text)) => Some(text),
        _ => None,
    })
}

fn concept(table: &CodeTable, target: Coding, code: &str, value: Value<'_>) -> Result<Json, Misfit> {
    let sent = display(value)?;
    let written_twice = target.system == table.source && target.coded.code == code;
    let mut codings = vec![target.json()];
    if let Some(source) = table.source.clone().filter(|_| !written_twice)
        && Primitive::Code.check(&Json::string(code)).is_ok()
    {
        let coded = Coded { code: code.into(), system: None, display: sent };
        codings.push(Coding { system: Some(source), coded }.json());
    }
    let mut built = Build::with_capacity(2);
    built.list("coding", codings);
    built.text("text", value.part(9))?;
    Ok(built.json())
}

fn unlisted(table: &CodeTable, code: &str) -> String {
    let nameable = code.len() <= LONGEST_CODE
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte));
    if nameable {
        format!("the code table `{}` has no code `{code}`", table.name)
    } else {
        format!("the code table `{}` does not have this code", table.name)
    }
}
