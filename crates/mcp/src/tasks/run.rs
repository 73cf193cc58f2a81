//! How a task runs: the rounds of its call one after another, whoever asks for it meanwhile.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use wasimancer_catalog::{Snapshot, TaskPolicy, apart};
use wasimancer_runtime::Use;

use super::{Status, Task, failed};
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::message::Message;
use crate::outcome::Performed;
use crate::params::Params;
use crate::round::Round;
use crate::service::{self, Asked};
use crate::wire_2026_07_28;

/// Most rounds of one task.
const ROUNDS_MAX: usize = 100;

/// A tool call that may become a task, with everything that it takes.
pub(crate) struct Job {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) client: Arc<Client>,
    /// What tells its plugin from others.
    pub(crate) plugin: u64,
    pub(crate) params: Option<Box<RawValue>>,
    /// The first round.
    pub(crate) round: Round,
}

/// What has become of a tool call.
pub(crate) enum Started {
    Performed(Result<Performed, Error>),
    Task(Arc<Task>),
}

/// The first round of a job while it runs; dropping it ends the guest.
type Running = JoinSet<(Job, Result<Performed, Error>)>;

impl Job {
    async fn perform(&self, round: &Round) -> Result<Performed, Error> {
        let params = self.params.as_deref();
        let bytes = params.map_or(0, |params| params.get().len());
        let params = apart(self.client.caller.key(), bytes, || Params::of(params)).await?;
        let asked = Asked {
            snapshot: &self.snapshot,
            client: &self.client,
            method: "tools/call",
            params,
            round,
        };
        let performed = service::handle(&asked).await;
        performed.unwrap_or_else(|| Err(Error::MethodNotFound("tools/call".to_owned())))
    }
}

/// Begins a tool call, which becomes a task as its policy says.
pub(crate) async fn start(job: Job, policy: &TaskPolicy) -> Started {
    let (endpoint, client, plugin) = (job.endpoint.clone(), job.client.clone(), job.plugin);
    let create = || endpoint.tasks.create(client.caller, plugin, policy.ttl);
    let mut running = Running::new();
    let Some(after) = policy.after else {
        return match create() {
            Ok(task) => {
                // What the plugin tells goes to the task from its beginning on.
                let _ = client.task.set(task.clone());
                begin(&mut running, job);
                keep(endpoint, task, running)
            }
            Err(error) => Started::Performed(Err(error)),
        };
    };
    begin(&mut running, job);
    tokio::select! {
        biased;
        performed = first(&mut running) => return Started::Performed(performed.1),
        () = sleep(after) => {}
    }
    match create() {
        Ok(task) => {
            let _ = client.task.set(task.clone());
            keep(endpoint, task, running)
        }
        // Without a place for a task it is an ordinary call, which is told how it ends.
        Err(_) => Started::Performed(first(&mut running).await.1),
    }
}

fn begin(running: &mut Running, job: Job) {
    running.spawn(async move {
        let performed = job.perform(&job.round).await;
        (job, performed)
    });
}

/// The first round's end; without its job where it has panicked.
async fn first(running: &mut Running) -> (Option<Job>, Result<Performed, Error>) {
    match running.join_next().await {
        Some(Ok((job, performed))) => (Some(job), performed),
        _ => (None, Err(Error::Failed("the call broke off".to_owned()))),
    }
}

/// Lets a task go on by itself.
fn keep(endpoint: Arc<Endpoint>, task: Arc<Task>, running: Running) -> Started {
    tokio::spawn(live(endpoint, task.clone(), running));
    Started::Task(task)
}

/// The life of a task, from its beginning until it is forgotten.
async fn live(endpoint: Arc<Endpoint>, task: Arc<Task>, running: Running) {
    let tasks = &endpoint.tasks;
    let expiry = Instant::now() + task.ttl.min(TTL_MAX);
    let work = timeout_at(expiry, rounds(&endpoint, &task, running));
    let (status, message) = tokio::select! {
        biased;
        () = task.cancelled.notified() => (Status::Cancelled, None),
        ended = work => ended.unwrap_or_else(|_| {
            failed(&Error::Failed("the time of the task is over".to_owned()))
        }),
    };
    tasks.end(&task, status, message);
    tokio::select! {
        () = sleep_until(expiry) => tasks.forget(&task),
        // It is forgotten already.
        () = task.gave_way.notified() => {}
    }
}

/// Stands for longer lives, which the clock could not add up.
const TTL_MAX: Duration = Duration::from_hours(365 * 24);

/// One round after another, with the client's answers between them.
async fn rounds(
    endpoint: &Endpoint,
    task: &Task,
    mut running: Running,
) -> (Status, Option<String>) {
    let (job, mut performed) = first(&mut running).await;
    for _ in 0..ROUNDS_MAX {
        let required = match performed {
            Ok(Performed::Complete(outcome)) => {
                let result = wire_2026_07_28::complete(endpoint, outcome);
                let result = Message::charged(result.pieces().concat(), &endpoint.budget);
                return match result {
                    Ok(result) => (Status::Completed(result), None),
                    Err(full) => failed(&full.into()),
                };
            }
            Ok(Performed::InputRequired(required)) => required,
            Err(error) => return failed(&error),
        };
        let Some(job) = &job else { break };
        if let Some(missing) = job.client.capabilities.missing(required.needs()) {
            return failed(&Error::MissingCapability { missing });
        }
        endpoint.tasks.set_use(task, Use::Waiting);
        let responses = task.ask(&required).await;
        endpoint.tasks.set_use(task, Use::Busy);
        let round = Round {
            responses: Some(responses),
            state: required.state,
        };
        performed = job.perform(&round).await;
    }
    failed(&Error::Failed(format!(
        "the plugin asked for input {ROUNDS_MAX} times"
    )))
}
