//! Chapter 5.6: strings, with the functions on trial use.

use super::patient;

#[test]
fn places_and_parts() {
    patient(&[
        ("'abcabc'.indexOf('ca')", "2"),
        ("'abc'.indexOf('')", "0"),
        ("'abc'.indexOf('x')", "-1"),
        ("'北京市'.indexOf('市')", "2"),
        ("{}.indexOf('a')", "{}"),
        ("'abcabc'.lastIndexOf('b')", "4"),
        ("'abc'.substring(1)", "'bc'"),
        ("'abc'.substring(1, 1)", "'b'"),
        ("'abc'.substring(1, 9)", "'bc'"),
        ("'abc'.substring(3)", "{}"),
        ("'abc'.substring(-1)", "{}"),
        ("'abc'.substring({})", "{}"),
        ("'abc'.substring(1, 0)", "''"),
        ("'北京市'.substring(1, 1)", "'京'"),
        ("'北京'.length()", "2"),
        ("''.length()", "0"),
        ("{}.length()", "{}"),
        ("1.length()", "error at character 3: expected a String, not a `System.Integer`"),
        ("'ab'.toChars()", "'a', 'b'"),
    ]);
}

#[test]
fn questions() {
    patient(&[
        ("'abc'.startsWith('ab')", "true"),
        ("'abc'.startsWith('')", "true"),
        ("'abc'.startsWith({})", "{}"),
        ("'abc'.endsWith('bc')", "true"),
        ("'abc'.endsWith('b')", "false"),
        ("'abc'.contains('b')", "true"),
        ("'abc'.contains('x')", "false"),
        ("gender.startsWith('ma')", "true"),
        ("name.given.startsWith('P')", "error at character 12: expected at most one value, found 3"),
        ("'a'.startsWith(1)", "error at character 5: expected a String as the argument"),
    ]);
}

#[test]
fn changes() {
    patient(&[
        ("'abc'.upper()", "'ABC'"),
        ("'ABC'.lower()", "'abc'"),
        ("'abcabc'.replace('b', 'x')", "'axcaxc'"),
        ("'abc'.replace('', '-')", "'-a-b-c-'"),
        ("'abc'.replace('b', {})", "{}"),
        ("' a b '.trim()", "'a b'"),
        ("'a,b,,c'.split(',')", "'a', 'b', '', 'c'"),
        ("name.given.join('-')", "'Peter-James-Jim'"),
        ("name.given.join()", "'PeterJamesJim'"),
        ("{}.join(',')", "{}"),
    ]);
}

#[test]
fn patterns() {
    patient(&[
        ("'abc'.matches('b')", "true"),
        ("'abc'.matches('^b')", "false"),
        ("'a\\nb'.matches('a.b')", "true"),
        ("'ABC'.matches('abc')", "false"),
        ("'abc'.matches({})", "{}"),
        ("'王'.matches('^\\\\w$')", "true"),
        ("'abc'.matchesFull('b')", "false"),
        ("'abc'.matchesFull('a|abc')", "true"),
        (
            "'11/30/1972'.replaceMatches('(?<m>\\\\d+)/(?<d>\\\\d+)/(?<y>\\\\d+)', '${d}-${m}-$3')",
            "'30-11-1972'",
        ),
        ("'ab'.replaceMatches('(a)', '$1$1x')", "'aaxb'"),
        ("'abc'.replaceMatches('', 'x')", "'abc'"),
        (
            "'a'.matches('(' & 'a')",
            "error at character 5: expected a regular expression without look-around and back references",
        ),
    ]);
}

#[test]
fn encodings() {
    patient(&[
        ("'test'.encode('base64')", "'dGVzdA=='"),
        ("'subjects?_d'.encode('urlbase64')", "'c3ViamVjdHM_X2Q='"),
        ("'test'.encode('hex')", "'74657374'"),
        ("'dGVzdA=='.decode('base64')", "'test'"),
        ("'c3ViamVjdHM_X2Q='.decode('urlbase64')", "'subjects?_d'"),
        ("'74657374'.decode('hex')", "'test'"),
        ("'王'.encode('base64').decode('base64')", "'王'"),
        ("'!'.decode('base64')", "{}"),
        ("'ff'.decode('hex')", "{}"),
        ("'a'.encode('rot13')", "error at character 5: expected 'hex', 'base64' or 'urlbase64'"),
        ("'\"1<2\"'.escape('html')", "'&quot;1&lt;2&quot;'"),
        ("'&quot;1&lt;2&quot;'.unescape('html')", "'\"1<2\"'"),
        ("'a\"b'.escape('json')", "'a\\\"b'"),
        ("'a\\\\\"b'.unescape('json')", "'a\"b'"),
        ("'a\"b'.unescape('json')", "'a\"b'"),
    ]);
}
