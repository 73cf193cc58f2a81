//! The methods of the tasks extension.

use crate::capabilities::Capability;
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::outcome::Outcome;
use crate::params::Params;
use crate::round::responses_of;

/// Answers `tasks/get`, `tasks/update` or `tasks/cancel`.
pub(super) fn handle(
    endpoint: &Endpoint,
    client: &Client,
    method: &str,
    params: &Params<'_>,
) -> Result<Outcome, Error> {
    if let Some(missing) = client.capabilities.missing([Capability::Tasks]) {
        return Err(Error::MissingCapability { missing });
    }
    let task = endpoint.tasks.find(&params.task_id()?, &client.caller)?;
    match method {
        "tasks/get" => return Ok(Outcome::new(task.details())),
        "tasks/update" => {
            let responses = params.responses.ok_or_else(|| {
                Error::InvalidParams("`inputResponses` is missing: give an object".to_owned())
            })?;
            task.answer(responses_of(responses)?);
        }
        _ => task.cancel(),
    }
    Ok(Outcome::new(String::new()))
}
