//! A channel between sites by NATS: what is wrong in its settings is told with its line, before anything is connected to.

use std::fs;

use tempfile::TempDir;

use crate::prompt::huitong_in;

const CHANNEL: &str = r#"name    = "site/adt"
version = 1
about   = "What the hospitals send is taken over and sent on."

[from]
connector = "nats"
[from.settings]
servers  = ["nats://127.0.0.1:4222"]
stream   = "ADT"
consumer = "region"
subjects = ["adt.0", "adt.1"]

[parse]
format = "hl7v2"

[map]
mapping = "site/adt"
writes  = ["Patient"]

[[to]]
name      = "next"
connector = "nats"
[to.settings]
servers = ["tls://127.0.0.1:4222"]
subject = "out.{lane}"
lanes   = 4

[[test]]
name   = "one"
given  = "site/adt/one.hl7"
writes = "site/adt/one.bundle.json"
"#;

const MAPPING: &str = r#"name    = "site/adt"
version = 1
from    = "hl7v2"
[[resource]]
as   = "patient"
type = "Patient"
id   = ["patient", "PID-3.1"]
[resource.set]
identifier = { from = "PID-3" }
"#;

fn project(channel: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (file, text) in [
        ("channels/site/adt.toml", channel),
        ("mappings/site/adt.toml", MAPPING),
        ("fixtures/site/adt/one.hl7", "MSH|^~\\&|A|B|C|D|1||ADT^A08|1|P|2.5.1\rPID|1||P1^^^HIS^PI\r"),
        ("fixtures/site/adt/one.bundle.json", "promised\n"),
    ] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn what_is_wrong_in_the_settings_of_nats_is_told_with_its_line_and_what_was_expected() {
    let said = huitong_in(project(CHANNEL).path(), &["check"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for (right, wrong, line, expected) in [
        ("stream   = \"ADT\"", "stream   = \"A.DT\"", 9, "expected one such as `ADT`"),
        ("consumer = \"region\"", "consmer  = \"region\"", 10, "did you mean `consumer`?"),
        ("\"adt.1\"", "\"adt..1\"", 11, "expected words with points between them"),
        ("servers  = [\"nats://", "servers  = [\"nats://hub:pw@", 8, "name it in `login`, by its secret"),
        ("out.{lane}", "out.{patient}", 25, "expected `{parcel}`, `{correlation}` or `{lane}`"),
        ("out.{lane}", "out.>", 25, "is no subject to publish to"),
        ("lanes   = 4", "lanes   = 1", 26, "expected `lanes` to say how many there are"),
        ("lanes   = 4", "lanes   = 4\nlogin = { token = \"region\" }", 27, "the secret `region` is not set"),
        ("lanes   = 4", "lanes   = 4\nlogin = { user = \"region\" }", 27, "or `user` with `password`"),
    ] {
        let said = huitong_in(project(&CHANNEL.replace(right, wrong)).path(), &["check"]);
        let told = said.out + &said.err;
        assert!(told.contains(expected), "{wrong}: {told}");
        assert!(told.contains(&format!("channels/site/adt.toml:{line}:")), "{wrong}: {told}");
    }
}
