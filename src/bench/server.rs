//! The hub as a FHIR server: loaded by transactions, read, searched and written over 16 connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::task::JoinSet;

use super::child::HubProcess;
use super::hospital::{self, CODE, OBSERVATIONS};
use super::table::Table;
use crate::cli::Global;

const CONNECTIONS: usize = 16;
const PEOPLE: usize = 2_000;
/// Entries of the transactions that the hospital is loaded by: beside the observations a person, an encounter and an appointment.
const ENTRIES: usize = OBSERVATIONS + 3;
/// Nobody listens there: these hubs get no messages.
const NOBODY: &str = "127.0.0.1:9";

/// Everything, on a hub of its own.
pub async fn measure(global: &Global, each: Duration, table: &mut Table) -> anyhow::Result<()> {
    let hub = HubProcess::start(global, NOBODY, NOBODY)?;
    let server = Server {
        base: format!("{}/fhir", hub.http()),
        client: Client::builder().pool_max_idle_per_host(CONNECTIONS).no_proxy().build()?,
    };
    let bundles: Vec<Vec<u8>> = (0..PEOPLE)
        .map(|nth| serde_json::to_vec(&hospital::bundle(nth, OBSERVATIONS)))
        .collect::<Result<_, _>>()?;
    let load = server.each(PEOPLE, None, |nth| server.post("", bundles[nth].clone())).await?;
    table.row(
        format!("FHIR: {PEOPLE} people loaded by transactions of {ENTRIES}, validated"),
        format!("{:.0} resources/s", load.rate() * ENTRIES as f64),
        "5,000 resources/s",
    );
    let total = server
        .json(server.get("?_type=Patient,Encounter,Appointment,Observation&_summary=count"))
        .await?["total"]
        .as_u64();
    if total != Some((PEOPLE * ENTRIES) as u64) {
        bail!("{total:?} resources are stored and not {}", PEOPLE * ENTRIES);
    }
    let ids = server.ids().await?;
    server.searches(&hub, &ids, each, table).await?;
    server.writes(&hub, &ids, each, table).await?;
    let memory = hub.memory() as f64 / 1e6;
    table.row("FHIR: memory after all that", format!("{memory:.0} MB"), "200 MB");
    let size = hub.size().await? as f64 / 1e6;
    table.row("FHIR: disk space, all tables and the log", format!("{size:.0} MB"), "");
    Ok(())
}

/// What a load came to.
struct Done {
    count: usize,
    took: Duration,
}

impl Done {
    fn rate(&self) -> f64 {
        self.count as f64 / self.took.as_secs_f64()
    }
}

#[derive(Clone)]
struct Server {
    base: String,
    client: Client,
}

impl Server {
    fn get(&self, rest: &str) -> RequestBuilder {
        let slash = if rest.starts_with('?') { "" } else { "/" };
        self.client.get(format!("{}{slash}{rest}", self.base))
    }

    fn post(&self, rest: &str, body: Vec<u8>) -> RequestBuilder {
        let url = if rest.is_empty() { self.base.clone() } else { format!("{}/{rest}", self.base) };
        self.client.post(url).header("content-type", "application/fhir+json").body(body)
    }

    async fn json(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// The ids of the people, in pages.
    async fn ids(&self) -> anyhow::Result<Vec<String>> {
        let page = self.json(self.get("Patient?_count=1000&_elements=id")).await?;
        let entries = page["entry"].as_array().context("no patients")?;
        Ok(entries.iter().filter_map(|entry| Some(entry["resource"]["id"].as_str()?.to_owned())).collect())
    }

    /// Sends requests over all connections: so many, or as many as go into a time.
    async fn each<F>(&self, count: usize, within: Option<Duration>, request: F) -> anyhow::Result<Done>
    where
        F: Fn(usize) -> RequestBuilder,
    {
        let next = Arc::new(AtomicUsize::new(0));
        let requests: Arc<Vec<reqwest::Request>> =
            Arc::new((0..count).map(|nth| request(nth).build()).collect::<Result<_, _>>()?);
        let started = Instant::now();
        let mut lines = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (next, requests, client) = (next.clone(), requests.clone(), self.client.clone());
            lines.spawn(async move {
                let mut done = 0;
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = match within {
                        Some(within) => started.elapsed() >= within,
                        None => nth >= requests.len(),
                    };
                    if is_over {
                        return anyhow::Ok(done);
                    }
                    let request =
                        requests[nth % requests.len()].try_clone().context("a body cannot be sent twice")?;
                    client.execute(request).await?.error_for_status()?.bytes().await?;
                    done += 1;
                }
            });
        }
        let mut done = 0;
        while let Some(line) = lines.join_next().await {
            done += line??;
        }
        Ok(Done { count: done, took: started.elapsed() })
    }

    /// A row of what goes into the time that each load has.
    async fn row<F>(
        &self,
        hub: &HubProcess,
        each: Duration,
        table: &mut Table,
        (what, target): (&str, &'static str),
        request: F,
    ) -> anyhow::Result<()>
    where
        F: Fn(usize) -> RequestBuilder,
    {
        let cpu = hub.cpu();
        let done = self.each(4_000, Some(each), request).await?;
        let cpu = (hub.cpu() - cpu).as_secs_f64() * 1e3 / done.count as f64;
        table.row(format!("FHIR: {what}"), format!("{:.0}/s (CPU {cpu:.2} ms)", done.rate()), target);
        Ok(())
    }

    async fn searches(
        &self,
        hub: &HubProcess,
        ids: &[String],
        each: Duration,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let id = |nth: usize| &ids[nth % ids.len()];
        let day = |nth: usize| hospital::appointment_day(nth % (PEOPLE - 200));
        let twenty =
            self.json(self.get(&format!("Observation?patient={}&code={CODE}&_sort=-date", id(0)))).await?;
        if twenty["entry"].as_array().map(Vec::len) != Some(OBSERVATIONS) {
            bail!("the observations of a person are not found");
        }
        self.row(hub, each, table, ("read by id, 16 connections", "20,000/s"), |nth| {
            self.get(&format!("Patient/{}", id(nth)))
        })
        .await?;
        self.row(hub, each, table, ("`Patient?identifier=`", "12,000/s"), |nth| {
            self.get(&format!(
                "Patient?identifier=http://hospital.smarthealthit.org|{}",
                hospital::key(nth % PEOPLE)
            ))
        })
        .await?;
        self.row(
            hub,
            each,
            table,
            ("`Observation?patient&code&_sort=-date&_count=20` (20 hits)", "6,000/s"),
            |nth| self.get(&format!("Observation?patient={}&code={CODE}&_sort=-date&_count=20", id(nth))),
        )
        .await?;
        self.row(
            hub,
            each,
            table,
            ("`Appointment?date=ge..&_sort=date&_count=20` (20 hits)", "3,000/s"),
            |nth| self.get(&format!("Appointment?date=ge{}&_sort=date&_count=20", day(nth))),
        )
        .await?;
        for (what, query) in [
            ("`Patient?name=` (whole given name)", "Patient?name=San{n}"),
            (
                "`Observation?patient.identifier=&_count=20` (a chain)",
                "Observation?patient.identifier={key}&_count=20",
            ),
            (
                "`Patient?_has:Observation:patient:value-quantity=gt..&_count=20`",
                "Patient?_has:Observation:patient:value-quantity=gt43{m}&_count=20",
            ),
            ("`Patient/{id}/*` (a compartment, 23 hits)", "Patient/{id}/*?_count=30"),
            (
                "`Observation?encounter.subject:Patient.birthdate=..&_sort=patient.family&_count=20`",
                "Observation?encounter.subject:Patient.birthdate=19{yy}-05-05&_sort=patient.family&_count=20",
            ),
        ] {
            self.row(hub, each, table, (what, ""), |nth| {
                let query = query
                    .replace("{n}", &(nth % PEOPLE).to_string())
                    .replace("{key}", &hospital::key(nth % PEOPLE));
                let query = query
                    .replace("{m}", &(nth % 10).to_string())
                    .replace("{yy}", &(40 + nth % 60).to_string());
                self.get(&query.replace("{id}", id(nth)))
            })
            .await?;
        }
        Ok(())
    }

    async fn writes(
        &self,
        hub: &HubProcess,
        ids: &[String],
        each: Duration,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let person = |nth: usize| serde_json::to_vec(&hospital::patient(PEOPLE + nth)).unwrap_or_default();
        self.row(
            hub,
            each,
            table,
            ("create Patient, validated, durable, 16 connections", "4,000/s"),
            |nth| self.post("Patient", person(nth)),
        )
        .await?;
        self.row(hub, each, table, ("create Patient where there is none (`If-None-Exist`)", ""), |nth| {
            let condition = format!(
                "identifier=http://hospital.smarthealthit.org|{}",
                hospital::key(PEOPLE + 10_000 + nth)
            );
            self.post("Patient", person(nth)).header("if-none-exist", condition)
        })
        .await?;
        self.row(hub, each, table, ("JSON Patch of a Patient", ""), |nth| {
            let patch =
                format!(r#"[{{"op":"replace","path":"/birthDate","value":"19{:02}-01-01"}}]"#, 10 + nth % 90);
            let url = format!("{}/Patient/{}", self.base, ids[nth % ids.len()]);
            self.client.patch(url).header("content-type", "application/json-patch+json").body(patch)
        })
        .await?;
        self.row(
            hub,
            each,
            table,
            ("transaction of 15, validated, durable, 16 connections", "300/s"),
            |nth| self.post("", serde_json::to_vec(&hospital::bundle(PEOPLE + nth, 12)).unwrap_or_default()),
        )
        .await
    }
}
