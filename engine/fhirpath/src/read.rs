//! Reads tokens into a tree, by the ranks of the operators (FHIRPath N1, "Operator Precedence" and the grammar).

use std::borrow::Cow;

use compact_str::CompactString;
use regex::Regex;

use crate::error::SyntaxError;
use crate::functions::{FUNCTIONS, Function, Signature, signature};
use crate::item::Item;
use crate::kind::{Space, TypeName, nearest};
use crate::number;
use crate::quantity::{Quantity, Unit};
use crate::temporal::{CalendarUnit, Temporal};
use crate::token::{Token, TokenKind, character, tokens};
use crate::tree::{Expr, ExprKind, LOOSEST, Operator, RANKS, TYPE_LEVEL};

/// Longer expressions are refused.
pub(crate) const MOST_BYTES: usize = 64 * 1024;
/// Deeper trees are refused: parentheses, and links of a chain such as `a.b.c` or `a and b and c`.
pub(crate) const MAX_DEPTH: usize = 160;

/// Words that are operators or literals and so cannot name an element unless written in backquotes.
const RESERVED: [&str; 8] = ["and", "or", "xor", "implies", "div", "mod", "true", "false"];

/// Reads a whole expression.
pub(crate) fn read(text: &str) -> Result<Expr, SyntaxError> {
    if text.len() > MOST_BYTES {
        return Err(SyntaxError { at: 1, what: "expected an expression of at most 64 KiB".to_owned() });
    }
    let mut reader = Reader { text, tokens: tokens(text)?, next: 0, nesting: 0 };
    let whole = reader.operators(LOOSEST)?;
    if reader.peek() != &TokenKind::End {
        return Err(reader.error("expected an operator or the end of the expression"));
    }
    Ok(whole.0)
}

/// A tree and how deep it is.
type Deep = (Expr, usize);

struct Reader<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    next: usize,
    nesting: usize,
}

impl Reader<'_> {
    fn peek(&self) -> &TokenKind {
        &self.tokens[self.next].kind
    }

    fn here(&self) -> usize {
        character(self.text, self.tokens[self.next].at)
    }

    fn error(&self, what: impl Into<String>) -> SyntaxError {
        SyntaxError { at: self.here(), what: what.into() }
    }

    /// The last token, the end, is never passed.
    fn advance(&mut self) -> TokenKind {
        let kind = self.tokens[self.next].kind.clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        kind
    }

    fn take(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.peek(), TokenKind::Sign(next) if *next == sign);
        if is_next {
            self.advance();
        }
        is_next
    }

    fn expect(&mut self, sign: &str) -> Result<(), SyntaxError> {
        if self.take(sign) { Ok(()) } else { Err(self.error(format!("expected `{sign}`"))) }
    }

    fn made(&self, at: usize, kind: ExprKind, depth: usize) -> Result<Deep, SyntaxError> {
        if depth > MAX_DEPTH {
            let what = format!("the expression is nested deeper than {MAX_DEPTH} levels");
            return Err(SyntaxError { at, what });
        }
        Ok((Expr { at, kind }, depth))
    }

    /// Operators that bind at least as tightly as `loosest`, from the left: precedence climbing.
    fn operators(&mut self, loosest: usize) -> Result<Deep, SyntaxError> {
        let mut left = self.signed()?;
        loop {
            if loosest >= TYPE_LEVEL {
                left = self.type_operators(left)?;
            }
            let Some((operator, level)) = self.operator().filter(|(_, level)| *level <= loosest) else {
                return Ok(left);
            };
            let at = self.here();
            self.advance();
            let right = self.operators(level - 1)?;
            let depth = left.1.max(right.1) + 1;
            let kind = ExprKind::Binary { operator, left: Box::new(left.0), right: Box::new(right.0) };
            left = self.made(at, kind, depth)?;
        }
    }

    /// The operator that comes next, with its level.
    fn operator(&self) -> Option<(Operator, usize)> {
        let word = match self.peek() {
            TokenKind::Sign(sign) => sign,
            TokenKind::Word(word) => word.as_str(),
            _ => return None,
        };
        let found =
            |rank: &[(&str, Operator)]| rank.iter().find(|(known, _)| *known == word).map(|known| known.1);
        RANKS.iter().find_map(|(level, rank)| Some((found(rank)?, *level)))
    }

    /// `is` and `as`, which bind less than `+` and more than `|`.
    fn type_operators(&mut self, mut of: Deep) -> Result<Deep, SyntaxError> {
        loop {
            let is = match self.peek() {
                TokenKind::Word(word) if word == "is" => true,
                TokenKind::Word(word) if word == "as" => false,
                _ => return Ok(of),
            };
            let at = self.here();
            self.advance();
            let named = self.type_name()?;
            of = self.made(at, ExprKind::Type { of: Box::new(of.0), is, named }, of.1 + 1)?;
        }
    }

    fn signed(&mut self) -> Result<Deep, SyntaxError> {
        let at = self.here();
        let negated = match self.peek() {
            TokenKind::Sign("-") => true,
            TokenKind::Sign("+") => false,
            _ => return self.path(),
        };
        self.advance();
        self.enter()?;
        let of = self.signed()?;
        self.nesting -= 1;
        self.made(at, ExprKind::Sign { negated, of: Box::new(of.0) }, of.1 + 1)
    }

    fn enter(&mut self) -> Result<(), SyntaxError> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH / 4 {
            return Err(
                self.error(format!("expected at most {} parentheses within each other", MAX_DEPTH / 4))
            );
        }
        Ok(())
    }

    /// A term and what follows it: `.name`, `.function()`, `[0]`.
    fn path(&mut self) -> Result<Deep, SyntaxError> {
        let mut of = self.term()?;
        loop {
            if self.take(".") {
                of = self.step(Some(of))?;
            } else if matches!(self.peek(), TokenKind::Sign("[")) {
                let at = self.here();
                self.advance();
                self.enter()?;
                let index = self.operators(LOOSEST)?;
                self.nesting -= 1;
                self.expect("]")?;
                let depth = of.1.max(index.1) + 1;
                of =
                    self.made(at, ExprKind::Indexer { of: Box::new(of.0), index: Box::new(index.0) }, depth)?;
            } else {
                return Ok(of);
            }
        }
    }

    fn term(&mut self) -> Result<Deep, SyntaxError> {
        let at = self.here();
        let kind = match self.peek().clone() {
            TokenKind::Sign("(") => {
                self.advance();
                self.enter()?;
                let inner = self.operators(LOOSEST)?;
                self.nesting -= 1;
                self.expect(")")?;
                return Ok(inner);
            }
            TokenKind::Sign("{") => {
                self.advance();
                self.expect("}")?;
                ExprKind::Empty
            }
            TokenKind::Text(text) => {
                self.advance();
                ExprKind::Literal(Item::String(Cow::Owned(text)))
            }
            TokenKind::Number(digits) => {
                self.advance();
                ExprKind::Literal(self.number(at, &digits)?)
            }
            TokenKind::Moment(text) => {
                self.advance();
                let expected = "expected a date, time or moment: @YYYY[-MM[-DD[Thh[:mm[:ss[.fff]]][Z|+hh:mm]]]], @Thh[:mm[:ss]]";
                let temporal =
                    Temporal::literal(&text).ok_or_else(|| SyntaxError { at, what: expected.to_owned() })?;
                ExprKind::Literal(Item::Temporal(temporal))
            }
            TokenKind::Percent => {
                self.advance();
                match self.advance() {
                    TokenKind::Word(name) | TokenKind::Delimited(name) | TokenKind::Text(name) => {
                        ExprKind::Variable(name.into())
                    }
                    _ => return Err(SyntaxError { at, what: "expected a name behind `%`".to_owned() }),
                }
            }
            TokenKind::Dollar(name) => {
                self.advance();
                match name.as_str() {
                    "this" => ExprKind::This,
                    "index" => ExprKind::Index,
                    "total" => ExprKind::Total,
                    _ => {
                        let what = "expected `$this`, `$index` or `$total`".to_owned();
                        return Err(SyntaxError { at, what });
                    }
                }
            }
            TokenKind::Word(word) if word == "true" || word == "false" => {
                self.advance();
                ExprKind::Literal(Item::Boolean(word == "true"))
            }
            TokenKind::Word(_) | TokenKind::Delimited(_) => return self.step(None),
            _ => return Err(self.error("expected a name, a literal or `(`")),
        };
        self.made(at, kind, 1)
    }

    /// A number, and its unit where one follows: `4`, `4.5`, `4 days`, `4 'mg'`.
    fn number(&mut self, at: usize, digits: &str) -> Result<Item<'static>, SyntaxError> {
        let unit = match self.peek() {
            TokenKind::Text(code) if !code.is_empty() => Some(Unit::Ucum(code.as_str().into())),
            TokenKind::Word(word) => CalendarUnit::from_word(word).map(Unit::Calendar),
            _ => None,
        };
        let too_long = || SyntaxError { at, what: "expected a number of at most 28 digits".to_owned() };
        let value = number::decimal(digits).ok_or_else(too_long)?;
        if let Some(unit) = unit {
            self.advance();
            return Ok(Item::Quantity(Box::new(Quantity { value, unit })));
        }
        if digits.contains('.') {
            return Ok(Item::Decimal(value));
        }
        let whole = digits.parse().map_err(|_| SyntaxError {
            at,
            what: "expected a whole number of at most 2147483647; write `.0` behind it for a decimal"
                .to_owned(),
        })?;
        Ok(Item::Integer(whole))
    }

    /// A name or a function, of `of` or of the input.
    fn step(&mut self, of: Option<Deep>) -> Result<Deep, SyntaxError> {
        let at = self.here();
        let depth = of.as_ref().map_or(0, |(_, depth)| *depth) + 1;
        let of = of.map(|(of, _)| Box::new(of));
        let name = match self.peek() {
            TokenKind::Delimited(name) => CompactString::from(name.as_str()),
            TokenKind::Word(word) if RESERVED.contains(&word.as_str()) => {
                return Err(self.error(format!("`{word}` is an operator; as a name it stands in backquotes")));
            }
            TokenKind::Word(word) => CompactString::from(word.as_str()),
            // `$this` may follow a point in the grammar; it adds nothing.
            _ => return Err(self.error("expected a name or a function")),
        };
        self.advance();
        if matches!(self.peek(), TokenKind::Sign("(")) {
            return self.call(at, of, &name, depth);
        }
        self.made(at, ExprKind::Member { of, name }, depth)
    }

    fn call(
        &mut self,
        at: usize,
        of: Option<Box<Expr>>,
        name: &str,
        depth: usize,
    ) -> Result<Deep, SyntaxError> {
        let Some(known) = signature(name) else {
            let near = nearest(name, FUNCTIONS.iter().map(|known| known.name));
            return Err(SyntaxError { at, what: format!("there is no function `{name}`{near}") });
        };
        self.advance();
        self.enter()?;
        let mut arguments = Vec::new();
        let mut named = None;
        let mut deepest = depth;
        if known.function.takes_type() {
            let quoted = match self.peek() {
                TokenKind::Text(text) => Some(text.clone()),
                _ => None,
            };
            named = Some(match quoted {
                Some(text) => self.quoted_type(&text)?,
                None => self.type_name()?,
            });
        } else if !matches!(self.peek(), TokenKind::Sign(")")) {
            loop {
                let (argument, depth) = self.operators(LOOSEST)?;
                deepest = deepest.max(depth + 1);
                arguments.push(argument);
                if !self.take(",") {
                    break;
                }
            }
        }
        self.nesting -= 1;
        self.expect(")")?;
        check_count(at, known, if named.is_some() { 1 } else { arguments.len() })?;
        let pattern = literal_pattern(known.function, &arguments)?;
        let kind = ExprKind::Call { of, function: known.function, arguments, named, pattern };
        self.made(at, kind, deepest)
    }

    /// `Patient`, `FHIR.Patient`, `` System.`Integer` ``.
    fn type_name(&mut self) -> Result<TypeName, SyntaxError> {
        let at = self.here();
        let mut parts = Vec::new();
        loop {
            match self.peek().clone() {
                TokenKind::Word(part) | TokenKind::Delimited(part) => parts.push(part),
                _ => return Err(self.error("expected the name of a type")),
            }
            self.advance();
            let is_space = parts.len() == 1 && ["FHIR", "System"].contains(&parts[0].as_str());
            if !(is_space && self.take(".")) {
                break;
            }
        }
        named_type(at, &parts)
    }

    /// `is('Patient')`: a type in quotes, as early texts have it.
    fn quoted_type(&mut self, text: &str) -> Result<TypeName, SyntaxError> {
        let at = self.here();
        self.advance();
        let parts: Vec<String> = text.splitn(2, '.').map(str::to_owned).collect();
        named_type(at, &parts)
    }
}

fn named_type(at: usize, parts: &[String]) -> Result<TypeName, SyntaxError> {
    let (space, name) = match parts {
        [space, name] if space == "FHIR" => (Some(Space::Fhir), name),
        [space, name] if space == "System" => (Some(Space::System), name),
        [name] => (None, name),
        _ => return Err(SyntaxError { at, what: "expected a type of `FHIR` or of `System`".to_owned() }),
    };
    let named = TypeName { space, name: name.as_str().into() };
    named.check().map_err(|what| SyntaxError { at, what })?;
    Ok(named)
}

fn check_count(at: usize, known: &Signature, count: usize) -> Result<(), SyntaxError> {
    if (known.least..=known.most).contains(&count) {
        return Ok(());
    }
    let expected = match (known.least, known.most) {
        (0, 0) => "no argument".to_owned(),
        (least, most) if least == most => format!("{least} argument{}", if least == 1 { "" } else { "s" }),
        (least, most) => format!("{least} to {most} arguments"),
    };
    Err(SyntaxError { at, what: format!("`{}()` takes {expected}, not {count}", known.name) })
}

/// A pattern that is a literal is read once, when the expression is.
fn literal_pattern(function: Function, arguments: &[Expr]) -> Result<Option<Regex>, SyntaxError> {
    if !function.takes_pattern() {
        return Ok(None);
    }
    let Some(Expr { at, kind: ExprKind::Literal(Item::String(text)) }) = arguments.first() else {
        return Ok(None);
    };
    let pattern = crate::run::pattern(function, text).map_err(|what| SyntaxError { at: *at, what })?;
    Ok(Some(pattern))
}
