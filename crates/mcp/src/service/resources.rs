//! Contents of resources.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use wasimancer_catalog::{Read, ResourceCall, Returns};
use wasimancer_runtime::{Budget, ChargedBytes};

use super::{Asked, log_left_out, make, malformed, rewritten};
use crate::answer::{Answer, Fields};
use crate::block::CONTENTS;
use crate::error::Error;
use crate::members::{Members, push_key, push_text};
use crate::outcome::{Outcome, Performed};
use crate::text::lossy;
use crate::value_type::{ValueType, Writer};

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
    const METHOD: &str = "resources/read";
    let input = std::mem::take(&mut call.input);
    let mut output = make(asked, METHOD, &call.uri, call.source, input).await?;
    let bytes = output.len();
    let mut writer = Writer::new(asked.client.revision);
    let read = || of_output(&call, &mut output, &mut writer);
    let performed = asked.apart(bytes, read).await;
    log_left_out(METHOD, call.source, &writer.left_out);
    performed
}

fn of_output(
    call: &ResourceCall<'_>,
    output: &mut ChargedBytes,
    writer: &mut Writer,
) -> Result<Performed, Error> {
    let (text, media_type) = match call.source.returns() {
        Returns::Result => {
            let budget = output.budget().clone();
            return whole(rewritten(output)?, writer, &budget);
        }
        Returns::Json => (Cow::Borrowed(rewritten(output)?), Some("application/json")),
        Returns::Text => (lossy(output), None),
        Returns::Bytes(media_type) => (STANDARD.encode(&**output).into(), Some(&**media_type)),
    };
    let is_blob = matches!(call.source.returns(), Returns::Bytes(_));
    let mut fields = "\"contents\":[{".to_owned();
    push_key(&mut fields, "uri");
    push_text(&mut fields, &call.uri);
    if let Some(media_type) = call.mime_type.or(media_type) {
        fields.push_str(",\"mimeType\":");
        push_text(&mut fields, media_type);
    }
    fields.push_str(if is_blob { ",\"blob\":" } else { ",\"text\":" });
    push_text(&mut fields, &text);
    fields.push_str("}]");
    Ok(Performed::Complete(Outcome::cacheable(fields)))
}

/// `returns: result`: a whole result from the plugin, or its contents alone.
fn whole(output: &str, writer: &mut Writer, budget: &Budget) -> Result<Performed, Error> {
    if output.starts_with('[') {
        return contents(Fields::default(), raw(output)?, writer);
    }
    let members = Members::read(output).map_err(|what| malformed(&what))?;
    let is_content = ["text", "blob"]
        .iter()
        .any(|field| members.get(field).is_some());
    if is_content && members.get("contents").is_none() {
        return contents(Fields::default(), raw(output)?, writer);
    }
    match Answer::of(members, writer, budget).map_err(|what| malformed(&what))? {
        Answer::Complete(mut answer) => {
            let list = answer.result.take("contents");
            let list = list.ok_or_else(|| malformed("contents is missing"))?;
            // How long it may be kept, the server says.
            answer.result.take("ttlMs");
            answer.result.take("cacheScope");
            contents(answer, list, writer)
        }
        Answer::InputRequired(required) => Ok(Performed::InputRequired(required)),
        Answer::Error(error) => Err(error),
    }
}

fn raw(json: &str) -> Result<&RawValue, Error> {
    serde_json::from_str(json).map_err(|error| malformed(&error.to_string()))
}

/// The result with these contents, of which there may be one.
fn contents(
    answer: Fields<'_>,
    contents: &RawValue,
    writer: &mut Writer,
) -> Result<Performed, Error> {
    writer.out = String::with_capacity(contents.get().len() + 64);
    push_key(&mut writer.out, "contents");
    let written = if contents.get().starts_with('{') {
        writer.one_as_list("contents", contents, &CONTENTS)
    } else {
        writer.field("contents", contents, &ValueType::List(&CONTENTS))
    };
    written.map_err(|wrong| malformed(&wrong.to_string()))?;
    let mut outcome = answer.into_outcome(std::mem::take(&mut writer.out));
    outcome.cacheable = true;
    Ok(Performed::Complete(outcome))
}
