//! Carries out what workflows decide: reads what they ask for, writes what they decide in one commit, owes partners their parcels,
//! and waits, bounded, for partners' answers.
//!
//! [`Executor::command`] is for whoever asks for something; as [`hub_core::wakes::Acting`] it acts on events. Both read, decide and
//! commit; where somebody else was faster they do it again with what is true then.

mod events;
mod outcome;
mod reading;

use std::sync::Arc;
use std::time::Duration;

use hub_core::commit::{Change, Commit, Guard};
use hub_core::errands::{ErrandError, Errands};
use hub_core::store::{Cause, Committed, Resources, StoreError};
use hub_fhir::json::write_object;
use hub_fhir::{Id, Object, Reference, Resource, tree};
use hub_workflows::decision::Answer;
use hub_workflows::fhir::{concept, identifier, instant, system};
use hub_workflows::{Act, Command, Decided, Decision, Facts, Policy, Refused, Workflow};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

pub use outcome::Outcome;
use reading::decide;

/// How often it is decided anew because somebody else was faster. Each time at least one of them has come through.
const MOST_TRIES: u32 = 200;
/// How often whoever waits looks, where another node may bring the answer.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Tells the time.
pub type Now = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Carries out what workflows decide.
pub struct Executor {
    resources: Arc<dyn Resources>,
    errands: Arc<dyn Errands>,
    now: Now,
    workflows: Vec<Arc<dyn Workflow>>,
    policy: Arc<Policy>,
    /// Told after each commit: a command may have ended.
    news: Notify,
}

/// Why a command came to nothing.
#[derive(Debug, Error)]
pub enum CommandError {
    /// A rule says no.
    #[error("refused: {0}")]
    Refused(Refused),
    /// The idempotency key was used before, for something else.
    #[error("the idempotency key was used before, with other parameters")]
    KeyReused,
    /// The store could not be read or written.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// What is stored, or a channel's files, do not fit. No content.
    #[error("it cannot be carried out: {0}")]
    Unfit(String),
}

impl From<ErrandError> for CommandError {
    fn from(error: ErrandError) -> Self {
        Self::Unfit(error.to_string())
    }
}

impl Executor {
    /// Carries out what these workflows decide.
    pub fn new(
        resources: Arc<dyn Resources>,
        errands: Arc<dyn Errands>,
        now: Now,
        workflows: Vec<Arc<dyn Workflow>>,
        policy: Policy,
    ) -> Arc<Self> {
        Arc::new(Self { resources, errands, now, workflows, policy: Arc::new(policy), news: Notify::new() })
    }

    /// Everything that can be asked for.
    pub fn acts(&self) -> impl Iterator<Item = &'static Act> {
        self.workflows.iter().flat_map(|workflow| workflow.acts())
    }

    /// Publishes what can be asked for: an OperationDefinition each. Those that are there as they are stay so.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn publish(&self) -> Result<(), CommandError> {
        let definitions = self.acts().map(|act| act.definition().map(Change::Put));
        let changes = definitions.collect::<Result<_, _>>();
        let changes = changes.map_err(|stop| CommandError::Unfit(format!("{stop:?}")))?;
        let commit = Commit { changes, ..Commit::default() };
        let cause = Cause::Timer { name: "operations" };
        self.resources.commit(cause, commit).await.map(drop).map_err(CommandError::Store)
    }

    /// Carries a command out. The same command once more, by its number, comes to the same and does nothing.
    ///
    /// # Errors
    /// A rule says no, the number was used for something else, or the store fails: then nothing was done.
    pub async fn command(&self, command: &Command) -> Result<Outcome, CommandError> {
        let task = command.task();
        let digest = digest(command);
        if let Some(outcome) = self.known(&task, &digest).await? {
            return Ok(outcome);
        }
        let by_act = |workflow: &&Arc<dyn Workflow>| workflow.acts().iter().any(|act| is_act(act, command));
        let workflow = self.workflows.iter().find(by_act);
        let workflow = workflow.ok_or(CommandError::Refused(Refused::not_found()))?;
        let cause =
            || Cause::Command { user: command.who.account.to_string(), request: command.number.clone() };
        let remember = |decision: &Decision, now| remembered(command, &task, &digest, decision, now);
        let done = self.carry_out(&|facts| workflow.command(command, facts), &cause, &remember).await;
        match done {
            Ok(answer) => Ok(Outcome::of(answer, task)),
            // The same command was carried out beside this one.
            Err(CommandError::Store(StoreError::Conflict { reference, .. }))
                if reference == task.to_string() =>
            {
                self.known(&task, &digest)
                    .await?
                    .ok_or_else(|| CommandError::Unfit("its task is gone".into()))
            }
            Err(error) => Err(error),
        }
    }

    /// Decides and commits until nobody else was faster.
    async fn carry_out(
        &self,
        decided: &(dyn Fn(&Facts) -> Decided + Sync),
        cause: &(dyn Fn() -> Cause + Sync),
        remember: &(dyn Fn(&Decision, OffsetDateTime) -> Vec<Change> + Sync),
    ) -> Result<Answer, CommandError> {
        let mut tries = 0;
        loop {
            let mut facts = Facts::new((self.now)(), self.policy.clone());
            let decision = decide(&*self.resources, decided, &mut facts).await?;
            let answer = decision.answer.clone();
            let own = remember(&decision, facts.now);
            let own_task = own.first().map(|change| change.reference().to_string());
            match self.commit(cause(), decision, own, &facts).await {
                Ok(committed) => {
                    self.errands.owed(&committed.owed);
                    self.news.notify_waiters();
                    return Ok(answer);
                }
                Err(CommandError::Store(error @ (StoreError::Conflict { .. } | StoreError::Overtaken))) => {
                    let is_own = matches!(&error, StoreError::Conflict { reference, .. } if Some(reference) == own_task.as_ref());
                    tries += 1;
                    if is_own || tries == MOST_TRIES {
                        return Err(CommandError::Store(error));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn commit(
        &self,
        cause: Cause,
        decision: Decision,
        own: Vec<Change>,
        facts: &Facts,
    ) -> Result<Committed, CommandError> {
        let mut commit = Commit { changes: own, wakes: decision.wakes, ..Commit::default() };
        commit.changes.extend(decision.changes);
        for errand in &decision.errands {
            let number = errand.number.as_str().into();
            commit.parcels.extend(self.errands.parcels(&errand.channel.into(), &number, &errand.task)?);
        }
        for (kind, query, found) in facts.guarded() {
            let search = reading::search(&*self.resources, kind, query)?;
            let finds: Vec<Id> = found.iter().map(|reference| reference.id.clone()).collect();
            commit.guards.push(Guard { search, finds });
        }
        self.resources.commit(cause, commit).await.map_err(CommandError::Store)
    }

    /// What the command came to, where it was given before.
    async fn known(&self, task: &Reference, digest: &str) -> Result<Option<Outcome>, CommandError> {
        let Some(fact) = reading::read(&*self.resources, task).await? else { return Ok(None) };
        if hub_workflows::fhir::number(fact.tree(), DIGEST) != Some(digest) {
            return Err(CommandError::KeyReused);
        }
        outcome::of_task(&fact).map(Some)
    }

    /// Waits until a command has ended, `until` then at most. What it has not ended by then is still pending.
    ///
    /// # Errors
    /// As the command itself: a rule, or a partner, says no.
    pub async fn wait(&self, outcome: Outcome, until: Instant) -> Result<Outcome, CommandError> {
        let Outcome::Pending { task } = outcome else { return Ok(outcome) };
        loop {
            // Asked for before it is looked: what comes in between is heard.
            let news = self.news.notified();
            let fact = reading::read(&*self.resources, &task).await?;
            let fact = fact.ok_or_else(|| CommandError::Unfit("its task is gone".into()))?;
            match outcome::of_task(&fact)? {
                Outcome::Pending { .. } if Instant::now() < until => {}
                outcome => return Ok(outcome),
            }
            // Whichever comes first: it is looked again.
            timeout_at(until.min(Instant::now() + LOOK_EVERY), news).await.ok();
        }
    }
}

/// The identifier of a command's Task that tells what it asked for.
const DIGEST: &str = "urn:impf:digest";

fn is_act(act: &Act, command: &Command) -> bool {
    (act.kind, act.name) == (command.kind, command.act)
}

/// Tells one command from another.
fn digest(command: &Command) -> String {
    let on = command.on.as_ref().map(Reference::to_string).unwrap_or_default();
    let mut parts = vec![command.kind.to_owned(), command.act.to_owned(), on];
    for parameter in &command.input {
        let mut text = String::new();
        write_object(parameter, &mut text);
        parts.push(text);
    }
    Id::of_parts(parts).to_string()
}

/// The Task that remembers a command.
fn remembered(
    command: &Command,
    task: &Reference,
    digest: &str,
    decision: &Decision,
    now: OffsetDateTime,
) -> Vec<Change> {
    let (status, output) = match &decision.answer {
        Answer::Done | Answer::Parameters(_) => ("completed", None),
        Answer::Resource(reference) => ("completed", Some(reference)),
        Answer::Pending => ("in-progress", None),
    };
    let output = output.map(|reference| {
        vec![tree! { "type" => concept(system::VALUE, "return"), "valueReference" => reference }]
    });
    let mut tree: Object = tree! {
        "identifier" => [identifier(system::TASK, &command.number), identifier(DIGEST, digest)],
        "status" => status,
        "intent" => "order",
        "code" => concept(system::ACT, command.act),
        "focus" => command.on.as_ref(),
        "authoredOn" => instant(now),
        "requester" => command.agent(),
        "output" => output.unwrap_or_default(),
    };
    if let Answer::Parameters(parameters) = &decision.answer {
        let answer =
            tree! { "resourceType" => "Parameters", "id" => "answer", "parameter" => parameters.clone() };
        tree.put("contained", [answer]);
        let output = tree! {
            "type" => concept(system::VALUE, "return"),
            "valueReference" => tree! { "reference" => "#answer" },
        };
        tree.put("output", [output]);
    }
    let resource = Resource::new(task.kind, task.id.clone(), tree);
    vec![Change::PutIf { resource, version: 0 }]
}
