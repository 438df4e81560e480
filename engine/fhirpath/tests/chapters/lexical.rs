//! Chapters 2, 4.1 and 8: literals, names, comments, precedence, and errors of reading with their places.

use super::{observation, patient};

#[test]
fn literals_are_values() {
    patient(&[
        ("true", "true"),
        ("{}", "{}"),
        ("'a\\'b\\\\c\\u0041\\n'", "'a'b\\cA\n'"),
        ("\"double\"", "'double'"),
        ("'\\uD83D\\uDE00'", "'😀'"),
        ("42", "42"),
        ("0.10", "0.10"),
        ("9999999999.0", "9999999999.0"),
        ("-3", "-3"),
        ("+3", "3"),
        ("@2026", "@2026"),
        ("@2026-11", "@2026-11"),
        ("@2026-11-26", "@2026-11-26"),
        ("@2026T", "@2026"),
        ("@2026-11-26T08", "@2026-11-26T08"),
        ("@2026-11-26T08:30:15.123+08:00", "@2026-11-26T08:30:15.123+08:00"),
        ("@2026-11-26T08:30Z", "@2026-11-26T08:30Z"),
        ("@T08:30", "@08:30"),
        ("@T08:30:15.5", "@08:30:15.500"),
        ("4 days", "4 days"),
        ("1 day", "1 day"),
        ("4.5 'mg'", "4.5 'mg'"),
        ("@2026-11-26.toString()", "'2026-11-26'"),
        ("1.toString()", "'1'"),
    ]);
}

#[test]
fn names_may_stand_in_backquotes_and_comments_anywhere() {
    observation(&[
        ("text.`div`.exists()", "true"),
        ("text.`status`", "'generated'"),
        ("status // the end of the line\n = /* within */ 'final'", "true"),
    ]);
    // Words that are operators elsewhere are names behind a point.
    patient(&[(
        "name.given.contains",
        "refused at character 12: there is no element `contains` in `string`",
    )]);
}

#[test]
fn operators_bind_as_the_standard_ranks_them() {
    patient(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 + 5", "3"),
        ("10 - 3 - 2", "5"),
        ("1 + 1 = 2", "true"),
        ("1 + 1 is Integer", "true"),
        ("1 | 2 > 0", "error at character 7: expected at most one value, found 2"),
        ("true or false and false", "true"),
        ("false implies false or true", "true"),
        ("true implies false implies false", "true"),
        ("1 in 1 | 2", "true"),
        ("1 = 1 in true", "true"),
        ("-name.given.count() = -3", "true"),
        ("-7.combine(3)", "error at character 1: expected at most one value, found 2"),
        ("1 as Integer + 1", "2"),
        ("1 is Integer = true", "true"),
        ("1 + 1 as Integer | 3", "2, 3"),
    ]);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    patient(&[
        ("", "refused at character 1: expected a name, a literal or `(`"),
        ("name.", "refused at character 6: expected a name or a function"),
        ("name[0", "refused at character 7: expected `]`"),
        ("(name", "refused at character 6: expected `)`"),
        ("name)", "refused at character 5: expected an operator or the end of the expression"),
        ("'a", "refused at character 1: expected ' at the end of the text"),
        ("'\\q'", "refused at character 3: expected one of ' \" ` \\ / f n r t u behind a backslash"),
        ("'\\uD800'", "refused at character 3: expected four hexadecimal digits of a character behind \\u"),
        ("/* a", "refused at character 1: expected `*/` at the end of the comment"),
        ("名", "refused at character 1: expected a name, a literal or an operator"),
        ("'名' + #", "refused at character 7: expected a name, a literal or an operator"),
        ("$that", "refused at character 1: expected `$this`, `$index` or `$total`"),
        ("%", "refused at character 1: expected a name behind `%`"),
        (
            "2147483648",
            "refused at character 1: expected a whole number of at most 2147483647; write `.0` behind it for a decimal",
        ),
        (
            "12345678901234567890123456789012.0",
            "refused at character 1: expected a number of at most 28 digits",
        ),
        ("name.and", "refused at character 6: `and` is an operator; as a name it stands in backquotes"),
        (
            "name.wher(use = 'x')",
            "refused at character 6: there is no function `wher`; did you mean `where`?",
        ),
        ("name.where()", "refused at character 6: `where()` takes 1 argument, not 0"),
        ("name.empty(1)", "refused at character 6: `empty()` takes no argument, not 1"),
        ("'a'.substring(1, 2, 3)", "refused at character 5: `substring()` takes 1 to 2 arguments, not 3"),
        (
            "'a'.matches('(')",
            "refused at character 13: expected a regular expression without look-around and back references",
        ),
        ("1 is Intger", "refused at character 6: there is no type `Intger`; did you mean `Integer`?"),
    ]);
    let bad =
        "expected a date, time or moment: @YYYY[-MM[-DD[Thh[:mm[:ss[.fff]]][Z|+hh:mm]]]], @Thh[:mm[:ss]]";
    for literal in ["@2026-13", "@2026-02-30", "@T24", "@26", "@", "@2026-11-26T08:61"] {
        patient(&[(literal, &format!("refused at character 1: {bad}"))]);
    }
}
