//! The functions there are: names, how many arguments each takes, and which arguments are looked at for each item.

/// A function of FHIRPath N1 (chapters 5 and 6), of its trial use additions, or of R4B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Empty,
    Exists,
    All,
    AllTrue,
    AnyTrue,
    AllFalse,
    AnyFalse,
    SubsetOf,
    SupersetOf,
    Count,
    Distinct,
    IsDistinct,
    Where,
    Select,
    Repeat,
    OfType,
    Single,
    First,
    Last,
    Tail,
    Skip,
    Take,
    Intersect,
    Exclude,
    Union,
    Combine,
    Iif,
    ToBoolean,
    ConvertsToBoolean,
    ToInteger,
    ConvertsToInteger,
    ToDate,
    ConvertsToDate,
    ToDateTime,
    ConvertsToDateTime,
    ToDecimal,
    ConvertsToDecimal,
    ToQuantity,
    ConvertsToQuantity,
    ToString,
    ConvertsToString,
    ToTime,
    ConvertsToTime,
    IndexOf,
    LastIndexOf,
    Substring,
    StartsWith,
    EndsWith,
    Contains,
    Upper,
    Lower,
    Replace,
    Matches,
    MatchesFull,
    ReplaceMatches,
    Length,
    ToChars,
    Encode,
    Decode,
    Escape,
    Unescape,
    Trim,
    Split,
    Join,
    Abs,
    Ceiling,
    Exp,
    Floor,
    Ln,
    Log,
    Power,
    Round,
    Sqrt,
    Truncate,
    Children,
    Descendants,
    Trace,
    Now,
    TimeOfDay,
    Today,
    Not,
    Is,
    As,
    Type,
    Aggregate,
    Sum,
    Min,
    Max,
    Avg,
    Coalesce,
    Sort,
    LowBoundary,
    HighBoundary,
    Precision,
    Comparable,
    YearOf,
    MonthOf,
    DayOf,
    HourOf,
    MinuteOf,
    SecondOf,
    MillisecondOf,
    TimezoneOffsetOf,
    DateOf,
    TimeOf,
    Extension,
    HasValue,
    GetValue,
    Resolve,
    ElementDefinition,
    Slice,
    CheckModifiers,
    ConformsTo,
    MemberOf,
    Subsumes,
    SubsumedBy,
    HtmlChecks,
}

/// What a function takes.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
    /// How many arguments at least.
    pub(crate) least: usize,
    /// And at most.
    pub(crate) most: usize,
    /// Which arguments are evaluated for each item, as bits: `where(..)` has the first.
    pub(crate) each: u8,
    /// Whether the arguments are evaluated on the function's input rather than on `$this`.
    pub(crate) on_input: bool,
}

const fn plain(name: &'static str, function: Function, least: usize, most: usize) -> Signature {
    Signature { name, function, least, most, each: 0, on_input: false }
}

const fn each(name: &'static str, function: Function, least: usize, most: usize, each: u8) -> Signature {
    Signature { name, function, least, most, each, on_input: false }
}

/// All of them.
pub(crate) static FUNCTIONS: &[Signature] = &[
    plain("empty", Function::Empty, 0, 0),
    each("exists", Function::Exists, 0, 1, 1),
    each("all", Function::All, 1, 1, 1),
    plain("allTrue", Function::AllTrue, 0, 0),
    plain("anyTrue", Function::AnyTrue, 0, 0),
    plain("allFalse", Function::AllFalse, 0, 0),
    plain("anyFalse", Function::AnyFalse, 0, 0),
    plain("subsetOf", Function::SubsetOf, 1, 1),
    plain("supersetOf", Function::SupersetOf, 1, 1),
    plain("count", Function::Count, 0, 0),
    plain("distinct", Function::Distinct, 0, 0),
    plain("isDistinct", Function::IsDistinct, 0, 0),
    each("where", Function::Where, 1, 1, 1),
    each("select", Function::Select, 1, 1, 1),
    each("repeat", Function::Repeat, 1, 1, 1),
    plain("ofType", Function::OfType, 1, 1),
    plain("single", Function::Single, 0, 0),
    plain("first", Function::First, 0, 0),
    plain("last", Function::Last, 0, 0),
    plain("tail", Function::Tail, 0, 0),
    plain("skip", Function::Skip, 1, 1),
    plain("take", Function::Take, 1, 1),
    plain("intersect", Function::Intersect, 1, 1),
    plain("exclude", Function::Exclude, 1, 1),
    plain("union", Function::Union, 1, 1),
    plain("combine", Function::Combine, 1, 1),
    Signature { name: "iif", function: Function::Iif, least: 2, most: 3, each: 0, on_input: true },
    plain("toBoolean", Function::ToBoolean, 0, 0),
    plain("convertsToBoolean", Function::ConvertsToBoolean, 0, 0),
    plain("toInteger", Function::ToInteger, 0, 0),
    plain("convertsToInteger", Function::ConvertsToInteger, 0, 0),
    plain("toDate", Function::ToDate, 0, 0),
    plain("convertsToDate", Function::ConvertsToDate, 0, 0),
    plain("toDateTime", Function::ToDateTime, 0, 0),
    plain("convertsToDateTime", Function::ConvertsToDateTime, 0, 0),
    plain("toDecimal", Function::ToDecimal, 0, 0),
    plain("convertsToDecimal", Function::ConvertsToDecimal, 0, 0),
    plain("toQuantity", Function::ToQuantity, 0, 1),
    plain("convertsToQuantity", Function::ConvertsToQuantity, 0, 1),
    plain("toString", Function::ToString, 0, 0),
    plain("convertsToString", Function::ConvertsToString, 0, 0),
    plain("toTime", Function::ToTime, 0, 0),
    plain("convertsToTime", Function::ConvertsToTime, 0, 0),
    plain("indexOf", Function::IndexOf, 1, 1),
    plain("lastIndexOf", Function::LastIndexOf, 1, 1),
    plain("substring", Function::Substring, 1, 2),
    plain("startsWith", Function::StartsWith, 1, 1),
    plain("endsWith", Function::EndsWith, 1, 1),
    plain("contains", Function::Contains, 1, 1),
    plain("upper", Function::Upper, 0, 0),
    plain("lower", Function::Lower, 0, 0),
    plain("replace", Function::Replace, 2, 2),
    plain("matches", Function::Matches, 1, 1),
    plain("matchesFull", Function::MatchesFull, 1, 1),
    plain("replaceMatches", Function::ReplaceMatches, 2, 2),
    plain("length", Function::Length, 0, 0),
    plain("toChars", Function::ToChars, 0, 0),
    plain("encode", Function::Encode, 1, 1),
    plain("decode", Function::Decode, 1, 1),
    plain("escape", Function::Escape, 1, 1),
    plain("unescape", Function::Unescape, 1, 1),
    plain("trim", Function::Trim, 0, 0),
    plain("split", Function::Split, 1, 1),
    plain("join", Function::Join, 0, 1),
    plain("abs", Function::Abs, 0, 0),
    plain("ceiling", Function::Ceiling, 0, 0),
    plain("exp", Function::Exp, 0, 0),
    plain("floor", Function::Floor, 0, 0),
    plain("ln", Function::Ln, 0, 0),
    plain("log", Function::Log, 1, 1),
    plain("power", Function::Power, 1, 1),
    plain("round", Function::Round, 0, 1),
    plain("sqrt", Function::Sqrt, 0, 0),
    plain("truncate", Function::Truncate, 0, 0),
    plain("children", Function::Children, 0, 0),
    plain("descendants", Function::Descendants, 0, 0),
    each("trace", Function::Trace, 1, 2, 2),
    plain("now", Function::Now, 0, 0),
    plain("timeOfDay", Function::TimeOfDay, 0, 0),
    plain("today", Function::Today, 0, 0),
    plain("not", Function::Not, 0, 0),
    plain("is", Function::Is, 1, 1),
    plain("as", Function::As, 1, 1),
    plain("type", Function::Type, 0, 0),
    each("aggregate", Function::Aggregate, 1, 2, 1),
    plain("sum", Function::Sum, 0, 0),
    plain("min", Function::Min, 0, 0),
    plain("max", Function::Max, 0, 0),
    plain("avg", Function::Avg, 0, 0),
    plain("coalesce", Function::Coalesce, 1, 16),
    each("sort", Function::Sort, 0, 7, 0x7f),
    plain("lowBoundary", Function::LowBoundary, 0, 1),
    plain("highBoundary", Function::HighBoundary, 0, 1),
    plain("precision", Function::Precision, 0, 0),
    plain("comparable", Function::Comparable, 1, 1),
    plain("yearOf", Function::YearOf, 0, 0),
    plain("monthOf", Function::MonthOf, 0, 0),
    plain("dayOf", Function::DayOf, 0, 0),
    plain("hourOf", Function::HourOf, 0, 0),
    plain("minuteOf", Function::MinuteOf, 0, 0),
    plain("secondOf", Function::SecondOf, 0, 0),
    plain("millisecondOf", Function::MillisecondOf, 0, 0),
    plain("timezoneOffsetOf", Function::TimezoneOffsetOf, 0, 0),
    plain("dateOf", Function::DateOf, 0, 0),
    plain("timeOf", Function::TimeOf, 0, 0),
    plain("extension", Function::Extension, 1, 1),
    plain("hasValue", Function::HasValue, 0, 0),
    plain("getValue", Function::GetValue, 0, 0),
    plain("resolve", Function::Resolve, 0, 0),
    plain("elementDefinition", Function::ElementDefinition, 0, 0),
    plain("slice", Function::Slice, 2, 2),
    plain("checkModifiers", Function::CheckModifiers, 0, 16),
    plain("conformsTo", Function::ConformsTo, 1, 1),
    plain("memberOf", Function::MemberOf, 1, 1),
    plain("subsumes", Function::Subsumes, 1, 1),
    plain("subsumedBy", Function::SubsumedBy, 1, 1),
    plain("htmlChecks", Function::HtmlChecks, 0, 0),
];

/// The function of this name.
pub(crate) fn signature(name: &str) -> Option<&'static Signature> {
    FUNCTIONS.iter().find(|known| known.name == name)
}

impl Function {
    /// What it takes.
    pub(crate) fn signature(self) -> &'static Signature {
        FUNCTIONS.iter().find(|known| known.function == self).unwrap_or(&FUNCTIONS[0])
    }

    /// Whether its argument is the name of a type.
    pub(crate) fn takes_type(self) -> bool {
        matches!(self, Self::Is | Self::As | Self::OfType)
    }

    /// Whether its input is one value: a text, a number, a date.
    pub(crate) fn takes_value(self) -> bool {
        matches!(
            self,
            Self::ToBoolean
                | Self::ToInteger
                | Self::ToDate
                | Self::ToDateTime
                | Self::ToDecimal
                | Self::ToQuantity
                | Self::ToString
                | Self::ToTime
                | Self::ConvertsToBoolean
                | Self::ConvertsToInteger
                | Self::ConvertsToDate
                | Self::ConvertsToDateTime
                | Self::ConvertsToDecimal
                | Self::ConvertsToQuantity
                | Self::ConvertsToString
                | Self::ConvertsToTime
                | Self::IndexOf
                | Self::LastIndexOf
                | Self::Substring
                | Self::StartsWith
                | Self::EndsWith
                | Self::Contains
                | Self::Upper
                | Self::Lower
                | Self::Replace
                | Self::Matches
                | Self::MatchesFull
                | Self::ReplaceMatches
                | Self::Length
                | Self::ToChars
                | Self::Trim
                | Self::Split
                | Self::Abs
                | Self::Ceiling
                | Self::Floor
                | Self::Power
                | Self::Round
                | Self::Sqrt
                | Self::Truncate
                | Self::YearOf
                | Self::MonthOf
                | Self::DayOf
        )
    }

    /// Whether its first argument is a pattern.
    pub(crate) fn takes_pattern(self) -> bool {
        matches!(self, Self::Matches | Self::MatchesFull | Self::ReplaceMatches)
    }
}

#[cfg(test)]
mod tests {
    use super::FUNCTIONS;

    const DOCS: &str = include_str!("../../../docs/fhirpath.md");
    const TESTS: [&str; 17] = [
        include_str!("../tests/chapters/aggregates.rs"),
        include_str!("../tests/chapters/combining.rs"),
        include_str!("../tests/chapters/conversion.rs"),
        include_str!("../tests/chapters/dates.rs"),
        include_str!("../tests/chapters/existence.rs"),
        include_str!("../tests/chapters/fhir.rs"),
        include_str!("../tests/chapters/filtering.rs"),
        include_str!("../tests/chapters/lexical.rs"),
        include_str!("../tests/chapters/limits.rs"),
        include_str!("../tests/chapters/math.rs"),
        include_str!("../tests/chapters/names.rs"),
        include_str!("../tests/chapters/navigation.rs"),
        include_str!("../tests/chapters/operators.rs"),
        include_str!("../tests/chapters/strings.rs"),
        include_str!("../tests/chapters/subsetting.rs"),
        include_str!("../tests/chapters/types.rs"),
        include_str!("../tests/chapters/utility.rs"),
    ];

    #[test]
    fn every_function_is_documented_and_tested() {
        for known in FUNCTIONS {
            let is_told = known.name.starts_with("convertsTo") || DOCS.contains(&format!("`{}`", known.name));
            assert!(is_told, "`{}` is not in docs/fhirpath.md", known.name);
            let call = format!("{}(", known.name);
            let tests = TESTS.iter().filter(|test| test.contains(&call)).count();
            assert!(tests > 0, "`{}` has no test", known.name);
        }
    }
}
