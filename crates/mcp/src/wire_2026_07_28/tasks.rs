//! The methods of the tasks extension.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::capabilities::Capability;
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::outcome::Outcome;
use crate::round::responses_of;
use crate::service;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(rename = "taskId")]
    task_id: String,
    #[serde(borrow, default, rename = "inputResponses")]
    responses: Option<&'a RawValue>,
}

/// Answers `tasks/get`, `tasks/update` or `tasks/cancel`.
pub(super) fn handle(
    endpoint: &Endpoint,
    client: &Client,
    method: &str,
    params: Option<&RawValue>,
) -> Result<Outcome, Error> {
    if let Some(missing) = client.capabilities.missing([Capability::Tasks]) {
        return Err(Error::MissingCapability { missing });
    }
    let Params { task_id, responses } = service::parse(params)?;
    let task = endpoint.tasks.find(&task_id, &client.caller())?;
    match method {
        "tasks/get" => return Ok(Outcome::new(task.details())),
        "tasks/update" => {
            let responses = responses.ok_or_else(|| {
                Error::InvalidParams("`inputResponses` is missing: give an object".to_owned())
            })?;
            task.answer(responses_of(responses)?);
        }
        _ => task.cancel(),
    }
    Ok(Outcome::new(String::new()))
}
