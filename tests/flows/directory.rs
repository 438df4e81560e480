//! Doctors that the hub has fetched from the simulated hospital are found by everybody, while somebody types.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use connector_his::sim::service::{Service, ServiceSettings};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{Hub, Setup, root};

/// The staff numbers of the simulated hospital's doctors of titles 231 and 232: with a roster, and without.
fn high_titles() -> [BTreeSet<String>; 2] {
    let file = std::fs::read_to_string(root().join("connectors/his/data/house.toml")).unwrap();
    let house: toml::Value = toml::from_str(&file).unwrap();
    let doctors = house["doctor"].as_array().unwrap().iter();
    let high: Vec<&toml::Value> =
        doctors.filter(|doctor| ["231", "232"].contains(&doctor["title"].as_str().unwrap())).collect();
    let numbers = |has_roster: bool| {
        let those = high.iter().filter(|doctor| doctor["week"].as_array().unwrap().is_empty() != has_roster);
        those.map(|doctor| doctor["code"].as_str().unwrap().to_owned()).collect()
    };
    [numbers(true), numbers(false)]
}

/// Asks without a token: staff number and whether a visit can be booked.
async fn find(hub: &Hub, text: &str) -> Vec<(String, bool)> {
    let url = format!("{}/fhir/PractitionerRole/$find", hub.http());
    let url = reqwest::Url::parse_with_params(&url, [("text", text), ("_count", "100")]).unwrap();
    let answer = reqwest::get(url).await.unwrap();
    let bundle: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let number = |reference: &Value| {
        let address = format!("/fhir/{}", reference.as_str().unwrap());
        let doctor =
            entries.iter().find(|entry| entry["fullUrl"].as_str().unwrap().ends_with(&address)).unwrap();
        doctor["resource"]["identifier"][0]["value"].as_str().unwrap().to_owned()
    };
    let matches = entries.iter().filter(|entry| entry["search"]["mode"] == "match");
    let told = |entry: &Value| {
        let bookable = entry["extension"][0]["valueBoolean"].as_bool().unwrap();
        (number(&entry["resource"]["practitioner"]["reference"]), bookable)
    };
    matches.map(told).collect()
}

#[tokio::test]
async fn dir_2_all_doctors_of_high_titles_are_found_also_those_without_a_roster() {
    let settings =
        ServiceSettings { listen: "127.0.0.1:0".to_owned(), sold_percent: 0, ..ServiceSettings::default() };
    let service = Service::bind(settings).await.unwrap();
    let address = service.address().to_string();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(service.run(stopped));
    let mut setup = Setup::default().set("http.open=false");
    for channel in ["rosters", "masters"] {
        let url = format!("http://{address}/HisService/Invoke.asmx");
        setup = setup
            .set(format!("channels.\"his/{channel}\".settings.service.url=\"{url}\""))
            .set(format!("channels.\"his/{channel}\".settings.every_secs=1"));
    }
    let hub = Hub::start(&setup).await;
    let [with, without] = high_titles();
    assert!(without.len() >= 8, "the hospital has such doctors");
    let begun = Instant::now();
    let found = loop {
        let found = find(&hub, "").await;
        let numbers: BTreeSet<String> = found.iter().map(|(number, _)| number.clone()).collect();
        if with.is_subset(&numbers) && without.is_subset(&numbers) && found[0].1 {
            break found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "found {found:?}\n{}", hub.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let is_bookable = |number: &String| found.iter().any(|(found, bookable)| found == number && *bookable);
    assert!(!without.iter().any(is_bookable), "DIR-3: {found:?}");

    // 乐嘉诚 has no roster. His name is read in two ways.
    for text in ["乐嘉诚", "樂嘉誠", "yuejiacheng", "le jia cheng", "yjc", "手外科", "shouwaike"] {
        let found = find(&hub, text).await;
        assert!(found.contains(&("D0205".to_owned(), false)), "DIR-1: {text}: {found:?}");
    }
    // DIR-6: the HIS says that he has left.
    let left = json!({ "function": "H102", "code": "D0205", "set": { "ValidFlag": "0" } }).to_string();
    let url = format!("http://{address}/__sim/item");
    let told =
        reqwest::Client::new().post(url).header("content-type", "application/json").body(left).send().await;
    assert!(told.unwrap().status().is_success());
    let begun = Instant::now();
    while !find(&hub, "乐嘉诚").await.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", hub.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    hub.stop().await;
}
