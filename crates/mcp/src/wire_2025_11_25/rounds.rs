//! Requests that may take several rounds: between two of them the client is asked with requests of
//! ours, on the stream of its own request (client/elicitation, client/sampling, client/roots).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::client::Client;
use crate::content;
use crate::conversation::Conversation;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::input_required::InputRequired;
use crate::jsonrpc;
use crate::members::Members;
use crate::outcome::{Outcome, Performed};
use crate::params::Params;
use crate::question;
use crate::round::Round;
use crate::service::{self, Asked};
use crate::sessions::Session;

/// Most rounds of one request.
const ROUNDS_MAX: usize = 100;
/// How long a client may take to answer: people take their time.
const ANSWER_MAX: Duration = Duration::from_mins(30);

/// Serves a request through all of its rounds.
pub(super) async fn serve(
    exchange: &Exchange,
    session: Option<&Session>,
    client: Arc<Client>,
    method: &str,
    params: Params<'_>,
) -> Result<Outcome, Error> {
    let conversation = exchange.conversation(session);
    let mut round = Round::default();
    for _ in 0..ROUNDS_MAX {
        let asked = Asked {
            snapshot: &exchange.snapshot,
            client: &client,
            method,
            params,
            round: &round,
        };
        // Tasks are not for these revisions: a tool that wants one refuses here.
        service::task_policy(&asked)?;
        let performed = service::handle(&asked).await;
        let performed = performed.ok_or_else(|| Error::MethodNotFound(method.to_owned()))?;
        let required = match performed? {
            Performed::Complete(outcome) => return Ok(outcome),
            Performed::InputRequired(required) => required,
        };
        if let Some(missing) = client.capabilities.missing(required.needs()) {
            return Err(Error::MissingCapability { missing });
        }
        let responses = match ask(conversation, &client, &required).await {
            Ok(responses) => responses,
            // The model is told what has become of its call.
            Err(Error::NoInput(reason)) if method == "tools/call" => {
                return Ok(content::failure(&reason));
            }
            Err(error) => return Err(error),
        };
        round = Round {
            responses: Some(responses),
            state: required.state,
        };
    }
    Err(Error::Failed(format!(
        "the plugin asked for input {ROUNDS_MAX} times"
    )))
}

/// Asks everything at once, and waits for all answers.
async fn ask(
    conversation: Option<&Arc<Conversation>>,
    client: &Client,
    required: &InputRequired,
) -> Result<BTreeMap<String, Box<RawValue>>, Error> {
    let Some(conversation) = conversation.filter(|_| !client.outbox.is_closed()) else {
        return Err(Error::NoInput(
            "the request needs input of its client, which can be asked within a session alone, on a stream of events"
                .to_owned(),
        ));
    };
    let asking = required.requests.iter().map(async |(key, request)| {
        let question = conversation.ask();
        let request = Members::read(request.get()).unwrap_or_default();
        let method = question::method(&request).unwrap_or_default();
        let params = params(&request, client, question.id);
        let message = jsonrpc::write_request(question.id, method, &params);
        let no_input =
            |why: &str| Error::NoInput(format!("the client gave no input: {method} {why}"));
        if !client.outbox.send(message) {
            return Err(no_input("could not be sent"));
        }
        let answered = timeout(ANSWER_MAX, question.answer()).await;
        match answered {
            Ok(Some(Ok(result))) if result.get().starts_with('{') => Ok((key.clone(), result)),
            Ok(Some(Ok(_))) => Err(no_input("was answered with no object")),
            Ok(Some(Err(error))) => Err(no_input(&format!("failed with {}", message_of(&error)))),
            Ok(None) | Err(_) => Err(no_input("was not answered")),
        }
    });
    let answers = try_join_all(asking).await?;
    Ok(answers.into_iter().collect())
}

/// The params of a request as the client's revision knows them.
fn params(request: &Members<'_>, client: &Client, id: u64) -> String {
    let mut params = question::params(request);
    let mut json = "{".to_owned();
    if question::method(request) == Some("elicitation/create") {
        let is_page = question::needs_page(&params);
        if !client.revision.knows_elicitation_modes() {
            params.take("mode");
        } else if is_page && params.get("elicitationId").is_none() {
            // Required by this era alone; nothing is told of it later.
            let _ = write!(json, "\"elicitationId\":\"elicitation-{id}\",");
        }
    }
    params.write(&mut json);
    json.push('}');
    json
}

fn message_of(error: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let message = serde_json::from_str(error.get());
    message.map_or_else(|_| "an error".to_owned(), |Message { message }| message)
}
