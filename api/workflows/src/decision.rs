//! What is decided: writes, what partners are asked, what is raised later, and what who asked is told.

use hub_core::commit::{Change, Wake};
use hub_core::errands::task_id;
use hub_fhir::{Id, Json, Object, Reference, Resource, ResourceType, tree};
use time::OffsetDateTime;

use crate::facts::Fact;
use crate::fhir::{concept, identifier, instant, system};
use crate::refused::{Refused, Stop};

pub use crate::Decided;

/// A decision. Carried out whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Writes to the FHIR store, in order.
    pub changes: Vec<Change>,
    /// What partners are asked.
    pub errands: Vec<Errand>,
    /// What is raised later.
    pub wakes: Vec<Wake>,
    /// What who asked is told.
    pub answer: Answer,
}

/// What who asked is told.
#[derive(Clone, Debug, Default)]
pub enum Answer {
    /// That it is done.
    #[default]
    Done,
    /// This resource, as it stands then.
    Resource(Reference),
    /// These parameters.
    Parameters(Vec<Object>),
    /// That a partner is being asked; the command ends by a later decision.
    Pending,
}

/// How a command that had to wait ends.
#[derive(Clone, Debug)]
pub enum Ending {
    /// With this resource.
    Resource(Reference),
    /// By a rule, or by a partner's word.
    Refused(Refused),
}

/// What a partner is asked: a Task, which a channel carries out.
#[derive(Clone, Debug)]
pub struct Errand {
    /// The channel: `his/errands`.
    pub channel: &'static str,
    /// The number that its Task's id is made of.
    pub number: String,
    /// The Task.
    pub task: Resource,
}

/// An errand in the making.
pub struct Ask<'a> {
    /// The channel that carries it out.
    pub channel: &'static str,
    /// What is asked: `slot-lock`.
    pub act: &'static str,
    /// What makes it this one and no other: the same is asked once.
    pub key: &'a str,
    /// What it is about.
    pub focus: &'a Reference,
    /// Whom it is for.
    pub patient: Option<Reference>,
    /// The Task of the command that waits for it.
    pub command: Option<&'a Reference>,
    /// What the partner must know: names and texts.
    pub inputs: &'a [(&'static str, String)],
}

impl Decision {
    /// Nothing is to be done.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// A new resource. The decision fails where one of this id is there.
    pub fn create(&mut self, kind: &str, id: Id, tree: Object) -> Result<Reference, Stop> {
        let resource = Resource::new(kind_of(kind)?, id, tree);
        let reference = resource.reference();
        self.changes.push(Change::PutIf { resource, version: 0 });
        Ok(reference)
    }

    /// A resource as it is from now on. The decision fails where it is not any more as it was read.
    pub fn update(&mut self, fact: &Fact, change: impl FnOnce(&mut Object)) {
        let mut tree = fact.tree().clone();
        change(&mut tree);
        let resource = Resource::new(fact.resource.kind(), fact.id().clone(), tree);
        self.changes.push(Change::PutIf { resource, version: fact.version });
    }

    /// An event, raised at its time.
    pub fn raise(&mut self, at: OffsetDateTime, event: &'static str, subject: &Reference) {
        self.wakes.push(Wake { at, event: event.into(), subject: subject.clone() });
    }

    /// Asks a partner.
    pub fn ask(&mut self, now: OffsetDateTime, ask: &Ask<'_>) -> Result<(), Stop> {
        let number = Id::of_parts([ask.act, ask.key]).to_string();
        // By its id a mapping picks it: `Task.input[id=slot-id].valueString`.
        let inputs = ask.inputs.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| {
            tree! { "id" => *name, "type" => concept(system::VALUE, name), "valueString" => value }
        });
        let task = tree! {
            "identifier" => [identifier(system::TASK, &number)],
            "basedOn" => ask.command.map(|command| Json::Array(vec![command.into()])),
            "status" => "requested",
            "intent" => "order",
            "code" => concept(system::ACT, ask.act),
            "focus" => ask.focus,
            "for" => ask.patient.as_ref(),
            "authoredOn" => instant(now),
            "input" => inputs.collect::<Vec<Object>>(),
        };
        let task = Resource::new(kind_of("Task")?, task_id(&number), task);
        // What was asked is asked once.
        self.changes.push(Change::Ensure(task.clone()));
        self.errands.push(Errand { channel: ask.channel, number, task });
        Ok(())
    }

    /// The Task of an errand, by what was asked and what made it this one.
    pub fn errand(act: &str, key: &str) -> Result<Reference, Stop> {
        let number = Id::of_parts([act, key]).to_string();
        Ok(Reference { kind: kind_of("Task")?, id: task_id(&number) })
    }

    /// A resource that is written where there is none of its id yet.
    pub fn ensure(&mut self, kind: &str, id: Id, tree: Object) -> Result<Reference, Stop> {
        let resource = Resource::new(kind_of(kind)?, id, tree);
        let reference = resource.reference();
        self.changes.push(Change::Ensure(resource));
        Ok(reference)
    }

    /// Ends the command whose Task this is, after partners were asked. Whoever waits for it is told.
    pub fn end(&mut self, command: &Reference, ending: &Ending) {
        let tree = match ending {
            Ending::Resource(reference) => tree! {
                "status" => "completed",
                "intent" => "order",
                "output" => [tree! { "type" => concept(system::VALUE, "return"), "valueReference" => reference }],
            },
            Ending::Refused(refused) => tree! {
                "status" => "rejected",
                "intent" => "order",
                "statusReason" => refusal(refused),
            },
        };
        let resource = Resource::new(command.kind, command.id.clone(), tree);
        self.changes.push(Change::Merge { resource, clear: Vec::new(), initial: Vec::new() });
    }

    /// Says what who asked is told.
    #[must_use]
    pub fn answered(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }
}

/// A refusal as a Task keeps it: its code, and in `text` what the words for people hold.
fn refusal(refused: &Refused) -> Object {
    let mut concept = concept(system::REFUSED, refused.code);
    concept.put("text", Some(refused.with.join("; ")).filter(|with| !with.is_empty()));
    concept
}

/// The refusal that a Task keeps.
pub fn refusal_of(task: &Object) -> Option<Refused> {
    let concept = task.get("statusReason")?;
    let refused = Refused::of_code(crate::fhir::code(Some(concept), system::REFUSED)?)?;
    let with =
        concept.get("text").and_then(Json::as_str).map(|text| text.split("; ").map(str::to_owned).collect());
    Some(Refused { with: with.unwrap_or_default(), ..refused })
}

/// The type of this name.
pub fn kind_of(name: &str) -> Result<ResourceType, Stop> {
    ResourceType::from_name(name).ok_or_else(|| Stop::Unfit(format!("there is no type `{name}`")))
}

/// A task that has come to an end, as its events read it.
pub struct Answered<'a> {
    /// The task.
    pub task: &'a Fact,
}

impl<'a> Answered<'a> {
    /// What was asked: `slot-lock`.
    pub fn act(&self) -> Option<&'a str> {
        crate::fhir::code(self.task.tree().get("code"), system::ACT)
    }

    /// What it was about.
    pub fn focus(&self) -> Option<Reference> {
        crate::fhir::points_at(self.task.tree().get("focus"))
    }

    /// The command that waits for it: its number is kept with its Task.
    pub fn command(&self) -> Option<Reference> {
        let based = self.task.tree().get("basedOn")?.items().first();
        crate::fhir::points_at(based)
    }

    /// Whether the partner has done it.
    pub fn is_done(&self) -> bool {
        self.task.text(&["status"]) == Some("completed")
    }

    /// Why it has not: the partner's own code, or `given-up`, `in-doubt`, `refused`, `unreadable` where there was no answer.
    pub fn why(&self) -> Option<&'a str> {
        self.task.text(&["statusReason", "coding", "0", "code"])
    }

    /// Something that the partner has said.
    pub fn output(&self, name: &str) -> Option<&'a str> {
        let outputs = self.task.tree().get("output")?.items();
        let named = outputs.iter().find(|output| {
            crate::fhir::code(output.get("type"), system::VALUE) == Some(name)
                || output.at(&["type", "text"]).and_then(Json::as_str) == Some(name)
        })?;
        named.get("valueString")?.as_str()
    }

    /// Something that the partner was told.
    pub fn input(&self, name: &str) -> Option<&'a str> {
        let inputs = self.task.tree().get("input")?.items();
        let named =
            inputs.iter().find(|input| crate::fhir::code(input.get("type"), system::VALUE) == Some(name))?;
        named.get("valueString")?.as_str()
    }
}
