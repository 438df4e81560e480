//! Reads FHIRPath text into steps whose names are resolved against the table of elements.

use compact_str::CompactString;

use crate::elements::{TypeDef, of_resource};
use crate::fhirpath::{ExpressionError, Named, Step};
use crate::json::Json;
use crate::types::ResourceType;

/// Deeper parentheses are refused.
const MAX_DEPTH: usize = 32;

/// Compiles an expression for resources of type `kind`.
pub(crate) fn compile(text: &str, kind: ResourceType) -> Result<Step, ExpressionError> {
    let mut reader = Reader { text, at: 0, kind, depth: 0 };
    let typed = reader.and(of_input(kind))?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.error("expected the end of the expression"));
    }
    Ok(typed.step)
}

/// A step, and the types its items may have.
struct Typed {
    step: Step,
    types: Vec<&'static TypeDef>,
}

/// What a condition or path starts from.
#[derive(Clone)]
struct Scope {
    types: Vec<&'static TypeDef>,
    is_resource: bool,
}

fn of_input(kind: ResourceType) -> Scope {
    Scope { types: vec![of_resource(kind)], is_resource: true }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    kind: ResourceType,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn error(&self, what: impl Into<String>) -> ExpressionError {
        ExpressionError { at: self.text[..self.at].chars().count() + 1, what: what.into() }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes `mark` when it comes next, after space.
    fn take(&mut self, mark: &str) -> bool {
        self.skip_space();
        let is_next = self.rest().starts_with(mark);
        if is_next {
            self.at += mark.len();
        }
        is_next
    }

    fn expect(&mut self, mark: &str) -> Result<(), ExpressionError> {
        if self.take(mark) { Ok(()) } else { Err(self.error(format!("expected `{mark}`"))) }
    }

    /// Takes the keyword when it comes next as a whole word.
    fn take_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let is_next = self.rest().strip_prefix(word).is_some_and(|after| !after.starts_with(is_name_byte));
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    fn name(&mut self) -> Result<&'t str, ExpressionError> {
        self.skip_space();
        let rest = self.rest();
        let end = rest.find(|letter| !is_name_byte(letter)).unwrap_or(rest.len());
        if end == 0 || rest.starts_with(|letter: char| letter.is_ascii_digit()) {
            return Err(self.error("expected a name"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn and(&mut self, scope: Scope) -> Result<Typed, ExpressionError> {
        let mut left = self.equality(scope.clone())?;
        while self.take_word("and") {
            let right = self.equality(scope.clone())?;
            left = truth(Step::And(Box::new(left.step), Box::new(right.step)));
        }
        Ok(left)
    }

    fn equality(&mut self, scope: Scope) -> Result<Typed, ExpressionError> {
        let left = self.union(scope)?;
        let negated = self.take("!=");
        if !negated && !self.take("=") {
            return Ok(left);
        }
        let literal = self.literal()?;
        Ok(truth(Step::Equals { of: Box::new(left.step), literal, negated }))
    }

    fn union(&mut self, scope: Scope) -> Result<Typed, ExpressionError> {
        let first = self.typed(scope.clone())?;
        if !self.rest_starts("|") {
            return Ok(first);
        }
        let mut types = first.types;
        let mut parts = vec![first.step];
        while self.take("|") {
            let part = self.typed(scope.clone())?;
            types.extend(part.types);
            parts.push(part.step);
        }
        dedup(&mut types);
        Ok(Typed { step: Step::Union(parts), types })
    }

    fn rest_starts(&mut self, mark: &str) -> bool {
        self.skip_space();
        self.rest().starts_with(mark)
    }

    /// A path, maybe with `as Type`; `resolve() is Type` is read as a whole.
    fn typed(&mut self, scope: Scope) -> Result<Typed, ExpressionError> {
        if self.take_word("resolve") {
            self.expect("(")?;
            self.expect(")")?;
            if !self.take_word("is") {
                return Err(self.error("expected `is` and a resource type after `resolve()`"));
            }
            let name = self.name()?;
            let kind = ResourceType::from_name(name).ok_or_else(|| self.error("expected a resource type"))?;
            return Ok(truth(Step::ResolvesTo(kind)));
        }
        let path = self.path(scope)?;
        if self.take_word("as") {
            let name = self.name()?;
            return Ok(of_type(path, name));
        }
        Ok(path)
    }

    fn path(&mut self, scope: Scope) -> Result<Typed, ExpressionError> {
        let mut path = self.first(scope)?;
        loop {
            if self.take("[") {
                let digits = self.rest().find(|letter: char| !letter.is_ascii_digit()).unwrap_or(0);
                let at = self.rest()[..digits].parse().map_err(|_| self.error("expected an index"))?;
                self.at += digits;
                self.expect("]")?;
                path = Typed { step: Step::Index { of: Box::new(path.step), at }, types: path.types };
            } else if self.take(".") {
                path = self.step(path)?;
            } else {
                return Ok(path);
            }
        }
    }

    fn first(&mut self, scope: Scope) -> Result<Typed, ExpressionError> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(self.error("nested too deep"));
            }
            let inner = self.and(scope)?;
            self.expect(")")?;
            self.depth -= 1;
            return Ok(inner);
        }
        let input = Typed { step: Step::Input, types: scope.types };
        if self.take("$this") {
            return Ok(input);
        }
        let before = self.at;
        let name = self.name()?;
        let names_input = name == self.kind.name() || matches!(name, "Resource" | "DomainResource");
        if scope.is_resource && names_input {
            return Ok(input);
        }
        self.at = before;
        self.step(input)
    }

    fn step(&mut self, of: Typed) -> Result<Typed, ExpressionError> {
        self.skip_space();
        let before = self.at;
        let name = self.name()?;
        if !self.take("(") {
            return member(of, name).ok_or_else(|| {
                self.at = before;
                self.error(format!("there is no element `{name}` here"))
            });
        }
        let found = match name {
            "exists" => truth(Step::Exists(Box::new(of.step))),
            "as" | "ofType" => {
                let name = self.name()?;
                of_type(of, name)
            }
            "where" => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.error("nested too deep"));
                }
                let condition = self.and(Scope { types: of.types.clone(), is_resource: false })?;
                self.depth -= 1;
                Typed {
                    step: Step::Where { of: Box::new(of.step), condition: Box::new(condition.step) },
                    types: of.types,
                }
            }
            "extension" => {
                let url = self.literal()?;
                extension(of, url).ok_or_else(|| self.error("there are no extensions here"))?
            }
            _ => {
                self.at = before;
                return Err(self.error(format!("the function `{name}` is not known")));
            }
        };
        self.expect(")")?;
        Ok(found)
    }

    fn literal(&mut self) -> Result<Json, ExpressionError> {
        if self.take_word("true") {
            return Ok(Json::Bool(true));
        }
        if self.take_word("false") {
            return Ok(Json::Bool(false));
        }
        self.expect("'")?;
        let rest = self.rest();
        let end = rest.find('\'').ok_or_else(|| self.error("expected the end of the string"))?;
        if rest[..end].contains('\\') {
            return Err(self.error("escapes in strings are not known"));
        }
        self.at += end + 1;
        Ok(Json::string(&rest[..end]))
    }
}

fn is_name_byte(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn truth(step: Step) -> Typed {
    Typed { step, types: Vec::new() }
}

fn dedup(types: &mut Vec<&'static TypeDef>) {
    let mut seen: Vec<&str> = Vec::with_capacity(types.len());
    types.retain(|def| {
        let is_new = !seen.contains(&def.name);
        seen.push(def.name);
        is_new
    });
}

fn member(of: Typed, name: &str) -> Option<Typed> {
    let mut names: Vec<Named> = Vec::new();
    for def in &of.types {
        let (element, chosen) = match def.member(name) {
            Some(member) => (member.element, member.of),
            None => (def.choice(name)?, None),
        };
        let found = element
            .types
            .iter()
            .enumerate()
            .filter(|(_, kind)| chosen.is_none_or(|chosen| chosen.name == kind.name));
        for (at, kind) in found {
            let json_name =
                element.concrete.get(at).cloned().unwrap_or_else(|| CompactString::const_new(element.name));
            if names.iter().all(|named| named.name != json_name) {
                names.push(Named { name: json_name, of: kind, element });
            }
        }
    }
    if names.is_empty() {
        return None;
    }
    let types = types_of(&names);
    Some(Typed { step: Step::Member { of: Box::new(of.step), names }, types })
}

fn types_of(names: &[Named]) -> Vec<&'static TypeDef> {
    let mut types: Vec<&'static TypeDef> = names.iter().filter_map(|named| named.of.def()).collect();
    dedup(&mut types);
    types
}

/// Narrows to a type: at once where the last step is a name, else when it runs.
fn of_type(of: Typed, name: &str) -> Typed {
    match of.step {
        Step::Member { of, mut names } => {
            names.retain(|named| named.of.name == name || named.of.name == "Resource");
            let types = types_of(&names);
            let is_any = names.iter().any(|named| named.of.name == "Resource");
            let step = Step::Member { of, names };
            if is_any {
                Typed { step: Step::OfType { of: Box::new(step), name: name.into() }, types }
            } else {
                Typed { step, types }
            }
        }
        step => {
            let types = of.types.into_iter().filter(|def| def.name == name).collect();
            Typed { step: Step::OfType { of: Box::new(step), name: name.into() }, types }
        }
    }
}

fn extension(of: Typed, url: Json) -> Option<Typed> {
    let extensions = member(of, "extension")?;
    let input = Typed { step: Step::Input, types: extensions.types.clone() };
    let condition = Step::Equals { of: Box::new(member(input, "url")?.step), literal: url, negated: false };
    Some(Typed {
        step: Step::Where { of: Box::new(extensions.step), condition: Box::new(condition) },
        types: extensions.types,
    })
}
