//! Wrong files, and what `huitong check` says of each: every text must be enough to mend the file without a manual.
//!
//! The texts are kept in `docs/findings.md`, which this test writes (`HUITONG_BLESS=1`) and otherwise holds to the program.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::prompt::{huitong_in, root};

const CHANNEL: &str = r#"name    = "lab/results"
version = 1
about   = "Results of the laboratory are stored, and the ward is told."

[from]
connector = "lis"
lane_by   = "PID-3.1"
settings  = { listen = "127.0.0.1:2590" }

[parse]
format = "hl7v2"
accept = ["ORU^R01"]

[filter]
keep = ['MSH-11.1 = "P"']

[map]
mapping = "lab/results"
writes  = ["Patient", "Observation"]

[keys]
patient = "PID-3.1"

[[to]]
name      = "ward"
connector = "notify"
settings  = { url = "http://127.0.0.1:9090/notices" }
each      = "Observation"
mapping   = "lab/notice"

[[test]]
name   = "a result is stored"
given  = "lab/results/one.hl7"
writes = "lab/results/one.bundle.json"
"#;

const MAPPING: &str = r#"name    = "lab/results"
version = 1
from    = "hl7v2"

[[resource]]
as   = "patient"
type = "Patient"
id   = ["patient", "PID-3.1"]
[resource.set]
identifier = { from = "PID-3" }
name       = { from = "PID-5", as = "HumanName" }
birthDate  = { from = "PID-7" }
gender     = { from = "PID-8", code = "sex" }

[[resource]]
as   = "result"
type = "Observation"
each = "PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION"
when = 'OBX-11 in ["F", "C"]'
id   = ["result", "OBR-3.1", "OBX-3.1"]
[resource.set]
status     = { value = "final" }
code       = { from = "OBX-3" }
subject    = { ref = "patient" }
"value[x]" = { from = "OBX-5", as = "by OBX-2" }
"#;

const NOTICE: &str = r#"name    = "lab/notice"
version = 1
from    = "fhir"
to      = "json"

[message.set]
test  = { from = "Observation.code.coding.code" }
value = { from = "Observation.valueQuantity.value", type = "number" }
"#;

const SEX: &str = r#"name  = "sex"
other = "quarantine"
[codes]
M = "male"
F = "female"
"#;

const MESSAGE: &str = "MSH|^~\\&|LAB|H|HUB|H|20261120103000||ORU^R01|1|P|2.5.1\rPID|1||P1||Chen^Siyuan\rOBR|1||L1|K\rOBX|1|NM|K||6.1||||||F\r";

const CHANNEL_FILE: &str = "channels/lab/results.toml";
const MAPPING_FILE: &str = "mappings/lab/results.toml";
const NOTICE_FILE: &str = "mappings/lab/notice.toml";
const SEX_FILE: &str = "mappings/codes/sex.toml";

/// One mistake: what is changed in which file of a project that is right.
struct Mistake {
    what: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const fn mistake(what: &'static str, file: &'static str, from: &'static str, to: &'static str) -> Mistake {
    Mistake { what, file, from, to }
}

const IN_MAPPINGS: &[Mistake] = &[
    mistake("an element is misspelt", MAPPING_FILE, "birthDate  =", "birhtDate  ="),
    mistake(
        "a list where one value belongs",
        MAPPING_FILE,
        "gender     = { from = \"PID-8\", code = \"sex\" }",
        "gender     = { value = [\"male\", \"female\"] }",
    ),
    mistake("a function that there is not", MAPPING_FILE, "as = \"HumanName\"", "as = \"HumanNames\""),
    mistake("a function of another type", MAPPING_FILE, "as = \"HumanName\"", "as = \"Address\""),
    mistake("a path that cannot be read", MAPPING_FILE, "\"PID-7\"", "\"PID-7(first)\""),
    mistake("a path of HL7 v2 that is none", MAPPING_FILE, "{ from = \"OBX-3\" }", "{ from = \"obx.3\" }"),
    mistake(
        "a path into a resource that has no such element",
        NOTICE_FILE,
        "code.coding.code",
        "code.codings.code",
    ),
    mistake("a code table that there is not", MAPPING_FILE, "code = \"sex\"", "code = \"sexes\""),
    mistake("a code that the element does not take", SEX_FILE, "\"female\"", "\"woman\""),
    mistake(
        "a reference to a resource that there is not",
        MAPPING_FILE,
        "ref = \"patient\"",
        "ref = \"patients\"",
    ),
    mistake(
        "a reference that cannot point there",
        MAPPING_FILE,
        "subject    = { ref = \"patient\" }",
        "subject    = { ref = \"result\" }",
    ),
    mistake("a condition that is none", MAPPING_FILE, "OBX-11 in [\"F\", \"C\"]", "OBX-11 == \"F\""),
    mistake("a required element is missing", MAPPING_FILE, "status     = { value = \"final\" }\n", ""),
    mistake("the id is missing", MAPPING_FILE, "id   = [\"patient\", \"PID-3.1\"]\n", ""),
    mistake(
        "an id that is the same for every message",
        MAPPING_FILE,
        "[\"patient\", \"PID-3.1\"]",
        "[\"patient\"]",
    ),
    mistake(
        "a mapping that extends itself",
        MAPPING_FILE,
        "from    = \"hl7v2\"",
        "extends = \"lab/results\"",
    ),
    mistake("a key that there is not", MAPPING_FILE, "each = \"PATIENT", "foreach = \"PATIENT"),
    mistake(
        "a literal of the wrong form",
        MAPPING_FILE,
        "birthDate  = { from = \"PID-7\" }",
        "birthDate  = { value = \"12.11.1988\" }",
    ),
    mistake(
        "a line that is no table",
        MAPPING_FILE,
        "status     = { value = \"final\" }",
        "status     = \"final\"",
    ),
    mistake("not TOML", MAPPING_FILE, "[resource.set]\nidentifier", "[resource.set\nidentifier"),
];

const IN_CHANNELS: &[Mistake] = &[
    mistake("a key is misspelt", CHANNEL_FILE, "lane_by ", "lane_be "),
    mistake("a connector that there is not", CHANNEL_FILE, "connector = \"lis\"", "connector = \"lsi\""),
    mistake("a setting that the connector has not", CHANNEL_FILE, "listen = \"127", "listens = \"127"),
    mistake(
        "a setting of the wrong type",
        CHANNEL_FILE,
        "\"127.0.0.1:2590\" }",
        "\"127.0.0.1:2590\", idle_secs = \"long\" }",
    ),
    mistake(
        "a mapping that there is not",
        CHANNEL_FILE,
        "mapping = \"lab/results\"",
        "mapping = \"lab/result\"",
    ),
    mistake(
        "a type that the mapping does not write",
        CHANNEL_FILE,
        "\"Observation\"]",
        "\"Observation\", \"Encounter\"]",
    ),
    mistake(
        "a type that is written and not said",
        CHANNEL_FILE,
        "writes  = [\"Patient\", \"Observation\"]",
        "writes  = [\"Observation\"]",
    ),
    mistake("the name is not the path", CHANNEL_FILE, "name    = \"lab/results\"", "name    = \"lab/oru\""),
    mistake(
        "a format that the connector does not give",
        CHANNEL_FILE,
        "format = \"hl7v2\"",
        "format = \"hl7\"",
    ),
    mistake("a filter that is no condition", CHANNEL_FILE, "'MSH-11.1 = \"P\"'", "'MSH-11.1 is P'"),
    mistake(
        "a path that is none of HL7 v2",
        CHANNEL_FILE,
        "lane_by   = \"PID-3.1\"",
        "lane_by   = \"pid.3\"",
    ),
    mistake(
        "an element that no resource has",
        CHANNEL_FILE,
        "each      = \"Observation\"",
        "each      = \"Observation.note.txt\"",
    ),
    mistake(
        "a connector that sends something else",
        CHANNEL_FILE,
        "connector = \"notify\"\nsettings  = { url = \"http://127.0.0.1:9090/notices\" }",
        "connector = \"mllp\"\nsettings  = { url = \"mllp://127.0.0.1:2591\" }",
    ),
    mistake(
        "a layout that the format does not know",
        NOTICE_FILE,
        "[message.set]\ntest ",
        "[message.layout]\nindentation = 2\n[message.set]\ntest ",
    ),
    mistake("a message file that is not there", CHANNEL_FILE, "lab/results/one.hl7", "lab/results/two.hl7"),
    mistake(
        "no test",
        CHANNEL_FILE,
        "[[test]]\nname   = \"a result is stored\"\ngiven  = \"lab/results/one.hl7\"\nwrites = \"lab/results/one.bundle.json\"\n",
        "",
    ),
    mistake(
        "a secret that is not set",
        CHANNEL_FILE,
        "{ listen = \"127.0.0.1:2590\" }",
        "{ listen = \"127.0.0.1:2590\", tls = { certificate = \"hub-mllp\" } }",
    ),
    mistake(
        "a kind of message written wrongly",
        CHANNEL_FILE,
        "accept = [\"ORU^R01\"]",
        "accept = \"ORU^R01\"",
    ),
];

/// A project with nothing wrong in it.
fn project() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (file, text) in [
        (CHANNEL_FILE, CHANNEL),
        (MAPPING_FILE, MAPPING),
        (NOTICE_FILE, NOTICE),
        (SEX_FILE, SEX),
        ("fixtures/lab/results/one.hl7", MESSAGE),
        ("fixtures/lab/results/one.bundle.json", "{}"),
    ] {
        write(folder.path(), file, text);
    }
    folder
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What is said of a project with one mistake in it.
fn said(mistake: &Mistake) -> String {
    let folder = project();
    let text = fs::read_to_string(folder.path().join(mistake.file)).unwrap();
    assert_eq!(text.matches(mistake.from).count(), 1, "{}: `{}`", mistake.what, mistake.from);
    write(folder.path(), mistake.file, &text.replace(mistake.from, mistake.to));
    check(folder.path(), mistake.what)
}

fn check(folder: &Path, what: &str) -> String {
    let said = huitong_in(folder, &["check"]);
    assert_eq!(said.code, 64, "{what}: {}{}", said.out, said.err);
    said.out + &said.err
}

/// A file that is right and stands where it is not looked for.
fn said_of_a_move(file: &str, to: &str) -> String {
    let folder = project();
    fs::rename(folder.path().join(file), folder.path().join(to)).unwrap();
    check(folder.path(), to)
}

/// Two files that are wrong only together.
fn said_of_two(what: &str, file: &str, text: &str) -> String {
    let folder = project();
    write(folder.path(), file, text);
    check(folder.path(), what)
}

fn chapter(title: &str, texts: &[(String, String)]) -> String {
    let mut page = format!("## {title}\n");
    for (what, said) in texts {
        page += &format!("\n**{}**\n```text\n{}\n```\n", capital(what), said.trim_end());
    }
    page
}

fn capital(what: &str) -> String {
    let mut letters = what.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn page() -> String {
    let told = |mistakes: &[Mistake]| -> Vec<(String, String)> {
        mistakes.iter().map(|mistake| (mistake.what.to_owned(), said(mistake))).collect()
    };
    let mut mappings = told(IN_MAPPINGS);
    let cycle = "name    = \"lab/results\"\nversion = 1\nextends = \"lab/base\"\n";
    let folder = project();
    write(folder.path(), MAPPING_FILE, cycle);
    write(
        folder.path(),
        "mappings/lab/base.toml",
        &cycle
            .replace("lab/results", "lab/x")
            .replace("lab/base", "lab/results")
            .replace("lab/x", "lab/base"),
    );
    mappings.push(("two mappings that extend each other".to_owned(), check(folder.path(), "extends")));
    let twice = MAPPING.replacen("birthDate  =", "gender     = { from = \"PID-7\" }\nbirthDate  =", 1);
    mappings.push(("a key that stands twice".to_owned(), said_of_two("twice", MAPPING_FILE, &twice)));
    mappings.push((
        "a mapping in the wrong folder".to_owned(),
        said_of_a_move(MAPPING_FILE, "mappings/results.toml"),
    ));
    mappings.push((
        "a code table in the wrong folder".to_owned(),
        said_of_a_move(SEX_FILE, "mappings/lab/sex.toml"),
    ));
    let mut channels = told(IN_CHANNELS);
    let second = CHANNEL.replace("lab/results\"\nversion", "lab/more\"\nversion");
    let asking = "name    = \"lab/notice\"\nversion = 1\nfrom    = \"fhir\"\nto      = \"fhir\"\n\n[[resource]]\nas   = \"patient\"\ntype = \"Patient\"\nid   = [\"p\", \"Observation.id\"]\nfind = { identifier = { from = \"Observation.id\", system = \"urn:x\" } }\nmissing = \"create\"\nset  = { birthDate = { from = \"Observation.effectiveDateTime\" } }\n";
    channels.push((
        "something that a destination would have to look up".to_owned(),
        said_of_two("find", NOTICE_FILE, asking),
    ));
    channels.push((
        "two channels on one port".to_owned(),
        said_of_two("ports", "channels/lab/more.toml", &second),
    ));
    format!(
        "# What is said of wrong files\n\nEvery text that `huitong check` writes for these mistakes, each made alone in files that are right. A test writes this page \
         (`HUITONG_BLESS=1`)\nand holds it to the program: each text must be enough to mend the file without a manual.\n\n{}\n{}",
        chapter("Mappings and code tables", &mappings),
        chapter("Channels", &channels)
    )
}

#[test]
fn a_project_without_mistakes_is_well() {
    let folder = project();
    let said = huitong_in(folder.path(), &["check"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}

#[test]
fn every_mistake_is_told_as_the_page_of_findings_shows() {
    let page = page();
    let path = root().join("docs/findings.md");
    if std::env::var_os("HUITONG_BLESS").is_some() {
        fs::write(path, page).unwrap();
        return;
    }
    let shown = fs::read_to_string(path).unwrap_or_default();
    for (shown, said) in shown.lines().zip(page.lines()) {
        assert_eq!(shown, said, "run it with HUITONG_BLESS=1 and read the difference");
    }
    assert_eq!(shown.lines().count(), page.lines().count());
}
