//! The shell lines of `docs/booking.md`, as they stand, against a hub and the simulated partners at addresses of their own.

use std::process::Command;

use connector_esign::sim::{Sim as Signing, SimSettings};
use tokio::sync::watch;

use crate::booking::{Bank, Hospital};
use crate::harness::{Hub, Setup, ports, program, root};
use crate::sign_in::Gateway;

/// The blocks of shell below a heading of the page.
fn blocks(page: &str, heading: &str) -> String {
    let below = page.split(heading).nth(1).unwrap();
    let below = below.split("\n## ").next().unwrap();
    let shell = below.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    shell.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_lines_of_the_page_do_what_it_says() {
    let (hospital, bank, gateway) =
        (Hospital::open().await, Bank::open(Vec::new()).await, Gateway::open().await);
    let told = ports::free_port();
    let settings = SimSettings {
        listen: "127.0.0.1:0".to_owned(),
        notify_url: format!("http://127.0.0.1:{told}/"),
        ..SimSettings::default()
    };
    let signing = Signing::bind(settings).await.unwrap();
    let signing_at = signing.address().to_string();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(signing.run(stopped));
    let mut setup = Setup::default()
        .set(format!("channels.\"his/errands\".to.his.url=\"{}\"", hospital.url()))
        .set(format!("channels.\"sms/codes\".to.sms.endpoint.url=\"http://{}\"", gateway.address))
        .set(format!("channels.\"sms/notices\".to.sms.endpoint.url=\"http://{}\"", gateway.address))
        .set(format!("channels.\"esign/errands\".to.esign.account.url=\"http://{signing_at}\""))
        .set(format!("channels.\"esign/notices\".settings.listen=\"127.0.0.1:{told}\""));
    for channel in ["rosters", "masters"] {
        setup = setup
            .set(format!("channels.\"his/{channel}\".settings.service.url=\"{}\"", hospital.url()))
            .set(format!("channels.\"his/{channel}\".settings.every_secs=1"));
    }
    let hub = Hub::start(&bank.known(setup)).await;
    if hub.log().contains("No Chinese font was found") {
        println!("not run: fonts-noto-cjk is not installed");
        hub.stop().await;
        return;
    }
    // The app that the demo registers.
    let app = ["client", "app", "patient-demo", "--name", "Huitong", "--for", "patients", "--redirect"];
    let mut register = Command::new(program());
    register.args(app).arg(format!("{}/", hub.http())).args(["--url", &hub.http()]).current_dir(root());
    register.arg("--data").arg(hub.folder.path().join("data"));
    assert!(register.status().unwrap().success());
    // As long as a reader needs to look around: the rosters and doctors are there.
    hub.until(|status| {
        let channels = status["channels"].as_array().unwrap();
        channels
            .iter()
            .any(|one| one["id"] == "his/rosters" && one["messages"]["committed"].as_u64() > Some(100))
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;

    let page = std::fs::read_to_string(root().join("docs/booking.md")).unwrap();
    let mut lines = blocks(&page, "## Try it\n");
    let expected: Vec<&str> =
        lines.lines().filter_map(|line| line.split_once("   # ")).map(|(_, printed)| printed).collect();
    let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
    assert_eq!(expected.len(), 8, "{expected:?}");
    for (there, here) in [
        ("127.0.0.1:8080", hub.http().trim_start_matches("http://")),
        ("127.0.0.1:2590", &bank.address),
        ("127.0.0.1:2596", &gateway.address),
    ] {
        assert!(lines.contains(there), "{there}");
        lines = lines.replace(there, here);
    }
    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let data = hub.folder.path().join("data");
    let printed = tokio::task::spawn_blocking(move || {
        let mut shell = Command::new("bash");
        shell.args(["--noprofile", "--norc", "-c", &lines]).current_dir(root());
        shell.env("PATH", path).env("HUITONG_DATA_DIR", data).output().unwrap()
    });
    let printed = printed.await.unwrap();
    let out = String::from_utf8(printed.stdout).unwrap();
    let errors = String::from_utf8_lossy(&printed.stderr);
    assert_eq!(out.lines().collect::<Vec<_>>(), expected, "{errors}");
    hub.stop().await;
}
