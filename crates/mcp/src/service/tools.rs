//! Calls of tools.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use wasimancer_catalog::{InputError, TaskPolicy};
use wasimancer_runtime::Full;

use super::{Asked, check_required};
use crate::capabilities::{Capabilities, Capability};
use crate::client::Listening;
use crate::content;
use crate::error::Error;
use crate::outcome::Performed;
use crate::revision::Revision;

/// How a request becomes a task for this client, where its tool says so, and what tells the plugin from
/// others.
pub(crate) fn task_policy(asked: &Asked<'_>) -> Result<Option<(TaskPolicy, u64)>, Error> {
    if asked.method != "tools/call" {
        return Ok(None);
    }
    let tool = asked.snapshot.tool(&asked.params.name()?);
    let Some((tool, policy)) = tool.and_then(|tool| Some((tool, tool.task()?))) else {
        return Ok(None);
    };
    // A task would be told too late.
    check_required(asked.client, tool.requires())?;
    let client = asked.client;
    if client.revision == Revision::Modern && client.capabilities.has(Capability::Tasks) {
        let mut plugin = DefaultHasher::new();
        tool.plugin().hash(&mut plugin);
        return Ok(Some((*policy, plugin.finish())));
    }
    if policy.required {
        let missing = Capabilities::default().missing([Capability::Tasks]);
        let missing = missing.unwrap_or_default();
        return Err(Error::MissingCapability { missing });
    }
    Ok(None)
}

/// What is said of a plugin that asks a client whose answers it could not read.
const NO_QUESTIONS: &str = "the plugin asks for input, and its definition says `input: text` or `input: bytes`, so that no answers can be handed to it: only a function with JSON arguments can ask";

pub(super) async fn call(asked: &Asked<'_>) -> Result<Performed, Error> {
    let (name, arguments) = (asked.params.name()?, asked.params.arguments);
    let Some(tool) = asked.snapshot.tool(&name) else {
        return Err(Error::UnknownTool(name.into_owned()));
    };
    check_required(asked.client, tool.requires())?;
    // Not the tool's schema is broken, but that of the request.
    if arguments.is_some_and(|raw| !raw.get().starts_with('{')) {
        return Err(Error::InvalidParams(
            "`arguments` must be an object".to_owned(),
        ));
    }
    if !tool.takes_json() && !asked.round.is_first() {
        return Err(Error::InvalidParams(format!(
            "the tool {name:?} asks nothing: leave `inputResponses` and `requestState` out"
        )));
    }
    let caller = asked.client.caller.key();
    let input = match tool.input(caller, arguments).await {
        Ok(input) => asked.round.input(input),
        Err(InputError::Full(full)) => return Err(full.into()),
        // The model can mend them; of an error of the protocol it hears nothing (server/tools, "Error
        // Handling"). Older revisions leave the choice.
        Err(error) => return Ok(Performed::Complete(content::failure(&error.to_string()))),
    };
    let listening = Arc::new(Listening {
        client: asked.client.clone(),
        method: "tools/call",
        name: name.into_owned(),
    });
    match tool.call_for(listening, &input).await {
        Ok(output) => {
            match content::of_output(tool, caller, output, asked.client.revision).await? {
                Performed::InputRequired(_) if !tool.takes_json() => {
                    Ok(Performed::Complete(content::failure(NO_QUESTIONS)))
                }
                performed => Ok(performed),
            }
        }
        Err(wasimancer_runtime::Error::ServerMemory { has_begun: false }) => Err(Full.into()),
        Err(error) => Ok(Performed::Complete(content::failure(&error.to_string()))),
    }
}
