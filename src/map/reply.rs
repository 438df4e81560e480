//! What a channel answers a request: the document that the mapping of its `[reply]` reads.

use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use hub_core::document::Document;
use hub_core::finding::Finding;
use hub_formats::fhir::FhirDocument;
use hub_mapping::Mapping;
use hub_runtime::reply::Answerer;
use hub_runtime::steps::Road;
use hub_spec::Facts;

use super::subject::Place;
use crate::cli::Global;
use crate::settings::Settings;
use crate::shelf::Shelf;
use crate::{hub, test};

/// The channel that answers, and with what.
pub struct Replier {
    /// The channel, whose parser reads the requests.
    pub road: Arc<Road>,
    /// What makes the answer.
    pub mapping: Arc<Mapping>,
    searches: bool,
}

/// What the answer is made of.
pub struct Answered {
    /// What was found or written.
    pub found: FhirDocument,
    /// What was asked.
    pub request: Box<dyn Document>,
}

impl Replier {
    /// The channel that is meant: the one that was named, or one that reads with the mapping or answers with it. The whole project is
    /// read, as the hub reads it.
    pub fn find(global: &Global, place: &Place) -> anyhow::Result<Result<Self, Vec<Finding>>> {
        let global = Global { root: place.root.clone(), ..global.clone() };
        let project = match hub::load(&global, &Settings::read(&global)?)? {
            Ok(project) => project,
            Err(findings) => return Ok(Err(findings)),
        };
        let reads = place.channels.iter().map(|channel| channel.channel.clone());
        let names: Vec<String> = reads.chain(place.repliers.iter().cloned()).collect();
        let channel = project.channels.into_iter().filter(|channel| channel.reply.is_some());
        let place_of = |id: &str| names.iter().position(|name| name == id);
        let channel = channel.filter_map(|channel| Some((place_of(channel.id.as_str())?, channel)));
        let Some((_, channel)) = channel.min_by_key(|(place, _)| *place) else {
            bail!("no channel that reads or answers with mapping `{}` has a [reply]", place.name);
        };
        let reply = channel.reply.as_ref().context("the channel has a [reply]")?;
        let (mapping, searches) = (reply.mapping.clone(), matches!(reply.facts, Facts::Search(_)));
        Ok(Ok(Self { road: Arc::new(test::road(channel)?), mapping, searches }))
    }

    /// What a request is answered with, where the store holds what a file says.
    pub async fn answer(&self, request: Bytes, name: &str, shelf: Shelf) -> anyhow::Result<Answered> {
        let (channel, parser) = (&self.road.channel, &self.road.parser);
        let answerer = Answerer::of(channel, parser)?.context("the channel has a [reply]")?;
        let resources = test::replied_with(&self.road, answerer, shelf, request.clone()).await?;
        let resources = match resources {
            Ok(resources) => resources,
            Err(why) => bail!("channel `{}` does not answer {name} with its reply: {why}", channel.id),
        };
        let request = parser.parse(&request).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        Ok(Answered { found: FhirDocument::new(&resources), request })
    }

    /// What is to be said where no file was named.
    pub fn unanswered(&self) -> Option<String> {
        let words = "the store is empty here, so the searches of the reply find nothing: --stored FILE answers from a file of resources";
        self.searches.then(|| words.to_owned())
    }
}

/// What to do about a mapping of a reply that is given a message, or resources only.
pub fn advice(place: &Place, message: &str) -> String {
    match place.repliers.first() {
        Some(channel) => format!(
            "`huitong map explain channels/{channel}.toml {message} --reply --stored FILE` explains what a request is answered"
        ),
        None => "no channel has it as `mapping` of its [reply]: with one, `huitong map explain CHANNEL REQUEST --reply` explains it"
            .to_owned(),
    }
}
