//! Contents of resources.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use wasimancer_catalog::{Read, ResourceCall, Returns};

use super::{Asked, make, malformed};
use crate::answer::Answer;
use crate::block;
use crate::error::Error;
use crate::outcome::{Outcome, Performed};
use crate::text::lossy;

pub(super) async fn read(asked: &Asked<'_>) -> Result<Performed, Error> {
    let uri = asked.params.uri()?;
    match asked.snapshot.resource(&uri) {
        Some(Read::Contents(contents)) => {
            let contents = lossy(&contents);
            let outcome = Outcome::cacheable(format!("\"contents\":{contents}"));
            Ok(Performed::Complete(outcome))
        }
        Some(Read::TooLong { limit }) => Err(Error::InvalidParams(format!(
            "the contents would have more than {limit} bytes: ask with a shorter URI"
        ))),
        Some(Read::Function(call)) => made(asked, call).await,
        None => Err(Error::ResourceNotFound {
            uri: uri.into_owned(),
        }),
    }
}

async fn made(asked: &Asked<'_>, mut call: ResourceCall<'_>) -> Result<Performed, Error> {
    let input = std::mem::take(&mut call.input);
    let output = make(asked, "resources/read", &call.uri, call.source, input).await?;
    asked
        .apart(output.len(), || of_output(&call, &output))
        .await
}

fn of_output(call: &ResourceCall<'_>, output: &[u8]) -> Result<Performed, Error> {
    if call.source.returns() == Returns::Result {
        return whole(output);
    }
    let text = lossy(output);
    let is_json = call.source.returns() == Returns::Json;
    if is_json && let Err(error) = serde_json::from_slice::<&RawValue>(output) {
        return Err(malformed(&format!(
            "it is not the JSON that its definition promises: {error}"
        )));
    }
    let mut content = json!({ "uri": call.uri });
    let mime_type = call.mime_type.or(is_json.then_some("application/json"));
    if let Some(mime_type) = mime_type {
        content["mimeType"] = json!(mime_type);
    }
    content["text"] = json!(text);
    let outcome = Outcome::cacheable(format!("\"contents\":[{content}]"));
    Ok(Performed::Complete(outcome))
}

/// `returns: result`: a whole result from the plugin.
fn whole(output: &[u8]) -> Result<Performed, Error> {
    match Answer::parse(output).map_err(|what| malformed(&what))? {
        Answer::Complete(mut fields) => {
            let contents = fields.result.remove("contents");
            let contents = contents.ok_or_else(|| malformed("contents is missing"))?;
            let list: Vec<Value> = serde_json::from_str(contents.get())
                .map_err(|_| malformed("contents must be a list"))?;
            for (index, content) in list.iter().enumerate() {
                block::check_contents(content).map_err(|(field, wanted)| {
                    malformed(&format!("contents[{index}].{field} must be {wanted}"))
                })?;
            }
            // How long it may be kept, the server says.
            fields.result.remove("ttlMs");
            fields.result.remove("cacheScope");
            let mut outcome = fields.into_outcome(format!("\"contents\":{contents}"));
            outcome.cacheable = true;
            Ok(Performed::Complete(outcome))
        }
        Answer::InputRequired(required) => Ok(Performed::InputRequired(required)),
        Answer::Error(error) => Err(error),
    }
}
