//! What both eras serve alike: lists, calls, reads, prompts and completions, on one snapshot.

mod completions;
mod prompts;
mod resources;
mod tools;

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wasimancer_catalog::{List, Snapshot, Source, apart};
use wasimancer_runtime::{ChargedBytes, Full};

use crate::capabilities::Capability;
use crate::client::{Client, Listening};
use crate::error::Error;
use crate::outcome::{Outcome, Performed};
use crate::params::Params;
use crate::revision::Era;
use crate::round::Round;
use crate::value_type::{LEVELS_AROUND, LeftOut};

pub(crate) use tools::task_policy;

/// A round of a request.
pub(crate) struct Asked<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) client: &'a Arc<Client>,
    pub(crate) method: &'a str,
    pub(crate) params: Params<'a>,
    pub(crate) round: &'a Round,
}

/// Serves a round of a request of a method that both eras have; none where the method is not one of
/// them.
pub(crate) async fn handle(asked: &Asked<'_>) -> Option<Result<Performed, Error>> {
    let Asked {
        snapshot,
        method,
        params,
        ..
    } = *asked;
    let complete = |served: Result<Outcome, Error>| Some(served.map(Performed::Complete));
    let listed = |name, list: Option<&List>| complete(self::list(name, list?, &params));
    match method {
        "tools/list" => {
            let era = asked.client.revision.era();
            listed("tools", tool_list(snapshot, era))
        }
        "resources/list" => listed("resources", snapshot.resource_list()),
        "resources/templates/list" => {
            listed("resourceTemplates", snapshot.resource_template_list())
        }
        "prompts/list" => listed("prompts", snapshot.prompt_list()),
        "tools/call" if snapshot.serves_tools() => Some(tools::call(asked).await),
        "resources/read" if snapshot.serves_resources() => Some(resources::read(asked).await),
        "prompts/get" if snapshot.serves_prompts() => Some(prompts::get(asked).await),
        "completion/complete" if snapshot.serves_prompts() || snapshot.serves_resources() => {
            complete(completions::complete(asked).await)
        }
        _ => None,
    }
}

/// Refuses a client that lacks what a function may ask of it, before anything runs.
fn check_required(
    client: &Client,
    required: &[wasimancer_catalog::Capability],
) -> Result<(), Error> {
    let required = required
        .iter()
        .map(|capability| Capability::from(*capability));
    match client.capabilities.missing(required) {
        Some(missing) => Err(Error::MissingCapability { missing }),
        None => Ok(()),
    }
}

/// Calls the function that makes what a definition does not hold, for a request about a name or URI.
async fn make(
    asked: &Asked<'_>,
    method: &'static str,
    name: &str,
    source: &Source,
    input: Vec<u8>,
) -> Result<ChargedBytes, Error> {
    check_required(asked.client, source.requires())?;
    let failed = |error: &dyn std::fmt::Display| {
        let (plugin, function) = (source.plugin(), source.function());
        tracing::warn!(plugin, function, "{method} {name:?}: {error}");
        Error::Failed(error.to_string())
    };
    let function = asked.snapshot.resolve(source);
    let function = function.map_err(|error| failed(&error))?;
    let listening = Arc::new(Listening {
        client: asked.client.clone(),
        method,
        name: name.to_owned(),
    });
    let output = function
        .call_for(listening, &asked.round.input(input))
        .await;
    output.map_err(|error| match error {
        wasimancer_runtime::Error::ServerMemory { has_begun: false } => Full.into(),
        error => failed(&error),
    })
}

impl Asked<'_> {
    /// Does work on so many bytes where it holds up nobody.
    async fn apart<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        apart(self.client.caller.key(), bytes, work).await
    }
}

/// Logs what of a plugin's answer is left out, and where.
fn log_left_out(method: &str, source: &Source, left_out: &LeftOut) {
    if !left_out.is_empty() {
        let (plugin, function) = (source.plugin(), source.function());
        tracing::warn!(
            plugin,
            function,
            "{method}: left out of the answer: {left_out}"
        );
    }
}

/// The JSON of a plugin's answer.
fn rewritten(output: &mut ChargedBytes) -> Result<&str, Error> {
    output.rewrite_json(LEVELS_AROUND).map_err(|error| {
        malformed(&format!(
            "it is not the JSON that its definition promises: {error}"
        ))
    })
}

/// What a plugin did wrong, where only its author can mend it.
fn malformed(what: &str) -> Error {
    Error::Failed(format!("the plugin's answer is malformed: {what}"))
}

/// The list of tools as the clients of an era see it.
pub(crate) fn tool_list(snapshot: &Snapshot, era: Era) -> Option<&List> {
    match era {
        Era::Modern => snapshot.tool_list(),
        Era::Legacy => snapshot.object_output_tool_list(),
    }
}

/// The capabilities that a snapshot gives rise to, in both eras.
pub(crate) fn capabilities(snapshot: &Snapshot) -> serde_json::Map<String, Value> {
    let (tools, resources, prompts) = (
        snapshot.serves_tools(),
        snapshot.serves_resources(),
        snapshot.serves_prompts(),
    );
    let served = [
        ("tools", tools, json!({ "listChanged": true })),
        (
            "resources",
            resources,
            json!({ "subscribe": true, "listChanged": true }),
        ),
        ("prompts", prompts, json!({ "listChanged": true })),
        ("completions", prompts || resources, json!({})),
        // What a plugin writes to its log.
        ("logging", tools, json!({})),
    ];
    let served = served.into_iter().filter(|(_, served, _)| *served);
    served
        .map(|(name, _, capability)| (name.to_owned(), capability))
        .collect()
}

fn list(name: &str, list: &List, params: &Params<'_>) -> Result<Outcome, Error> {
    let index = params.cursor()?.as_deref().map_or(Ok(0), page_of)?;
    let page = list.page(index).ok_or_else(unknown_cursor)?;
    let mut fields = String::with_capacity(page.len() + 64);
    let _ = write!(fields, "\"{name}\":{page}");
    if index + 1 < list.pages() {
        let _ = write!(fields, ",\"nextCursor\":\"{}\"", cursor_of(index + 1));
    }
    Ok(Outcome::cacheable(fields))
}

/// Cursors are opaque to clients; ours is the number of a page.
fn cursor_of(page: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("page {page}"))
}

fn page_of(cursor: &str) -> Result<usize, Error> {
    let bytes = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| unknown_cursor())?;
    let text = String::from_utf8(bytes).map_err(|_| unknown_cursor())?;
    let page = text
        .strip_prefix("page ")
        .and_then(|page| page.parse().ok());
    // The same page can be written in other ways, which no list has given.
    page.filter(|page| *page > 0 && cursor_of(*page) == cursor)
        .ok_or_else(unknown_cursor)
}

fn unknown_cursor() -> Error {
    Error::InvalidParams(
        "`cursor` is not one that this list gave; begin again without a cursor".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back_and_others_refused() {
        assert_eq!(page_of(&cursor_of(3)).unwrap(), 3);
        for wrong in [
            "",
            "x",
            "cGFnZQ",
            "cGFnZSAtMQ",
            "💥",
            "cGFnZSA5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
            "cGFnZSAw",
            "cGFnZSArMQ",
            "cGFnZSAwMQ",
        ] {
            assert!(page_of(wrong).is_err(), "{wrong}");
        }
    }
}
