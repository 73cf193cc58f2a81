//! Requests that may take several rounds: each is a request of its own, and what the server must
//! remember between two of them travels through the client (basic/patterns/mrtr).

use std::sync::Arc;

use serde_json::value::RawValue;
use wasimancer_runtime::charge_json;

use super::{Answer, complete, with_type};
use crate::client::Client;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::input_required::{InputRequired, push_requests};
use crate::outcome::{Outcome, Performed};
use crate::params::Params;
use crate::request_state::Binding;
use crate::round::Round;
use crate::service::{self, Asked};
use crate::tasks::{Job, Started, start};

/// Serves one round.
pub(super) async fn serve(
    exchange: &Exchange,
    client: Arc<Client>,
    method: &str,
    params: Params<'_>,
) -> Result<Answer, Error> {
    let endpoint = &exchange.endpoint;
    let about = params.about(method)?;
    let binding = || {
        let arguments = params.arguments.map_or("", RawValue::get);
        let _values = charge_json(arguments, &endpoint.budget)?;
        let caller = client.caller.credentials();
        let binding = Binding::new(method, about.text(), params.arguments, caller);
        Ok::<_, Error>(binding)
    };
    let read = || {
        let mut round = Round::of(params.responses, params.state)?;
        if let Some(sealed) = round.state.take() {
            let seal = endpoint.seal.as_ref().ok_or_else(no_random_numbers)?;
            round.state = Some(seal.open(&sealed, &binding()?)?);
        }
        Ok::<_, Error>(round)
    };
    let round = exchange.apart(params.bytes(), read).await?;
    let performed = match started(exchange, &client, method, params, round).await? {
        Started::Performed(performed) => performed?,
        Started::Task(task) => {
            let created = Outcome::new(task.summary());
            return Ok(Answer::Result(with_type(endpoint, "task", created)));
        }
    };
    match performed {
        Performed::Complete(outcome) => Ok(Answer::Result(complete(endpoint, outcome))),
        Performed::InputRequired(required) => {
            if let Some(missing) = client.capabilities.missing(required.needs()) {
                return Err(Error::MissingCapability { missing });
            }
            let ask = || {
                let seal = |state: &String| {
                    let binding = binding()?;
                    let seal = endpoint.seal.as_ref();
                    let sealed = seal.and_then(|seal| seal.seal(state, &binding));
                    sealed.ok_or_else(no_random_numbers)
                };
                let sealed = required.state.as_ref().map(seal);
                Ok::<_, Error>(asked(&required, sealed.transpose()?))
            };
            let bytes = params.bytes() + required.bytes;
            let asked = exchange.apart(bytes, ask).await?;
            Ok(Answer::Result(with_type(endpoint, "input_required", asked)))
        }
    }
}

/// Begins the request, which may become a task where its tool says so.
async fn started(
    exchange: &Exchange,
    client: &Arc<Client>,
    method: &str,
    params: Params<'_>,
    round: Round,
) -> Result<Started, Error> {
    let asked = Asked {
        snapshot: &exchange.snapshot,
        client,
        method,
        params,
        round: &round,
    };
    let policy = service::task_policy(&asked)?;
    let Some((policy, plugin)) = policy else {
        let performed = service::handle(&asked).await;
        let performed = performed.ok_or_else(|| Error::MethodNotFound(method.to_owned()))?;
        return Ok(Started::Performed(performed));
    };
    let job = Job {
        endpoint: exchange.endpoint.clone(),
        snapshot: exchange.snapshot.clone(),
        client: client.clone(),
        plugin,
        params: params.whole().map(RawValue::to_owned),
        round,
    };
    Ok(start(job, &policy).await)
}

fn asked(required: &InputRequired, sealed: Option<String>) -> Outcome {
    let mut fields = Vec::new();
    if !required.requests.is_empty() {
        let mut requests = String::new();
        push_requests(&mut requests, &required.requests);
        fields.push(requests);
    }
    if let Some(sealed) = sealed {
        fields.push(format!("\"requestState\":\"{sealed}\""));
    }
    Outcome::new(fields.join(","))
}

fn no_random_numbers() -> Error {
    Error::Failed("this machine gives no random numbers to protect a state with".to_owned())
}
