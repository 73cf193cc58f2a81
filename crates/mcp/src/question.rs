//! What a plugin may ask of the client: what each request must have (client/elicitation,
//! client/sampling, client/roots).

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::capabilities::Capability;
use crate::members::Members;
use crate::text::Text;
use crate::value_type::{Field, ValueType, Writer, Wrong, optional, required};

const KINDS: &str = "elicitation/create, sampling/createMessage or roots/list";

/// A field of a form.
const PROPERTY: ValueType = ValueType::Object(&[
    optional("title", ValueType::Text),
    optional("description", ValueType::Text),
    optional("format", ValueType::Text),
    optional("minLength", ValueType::Count),
    optional("maxLength", ValueType::Count),
    optional("minimum", ValueType::Number),
    optional("maximum", ValueType::Number),
    optional("enum", ValueType::List(&ValueType::Text)),
    optional("enumNames", ValueType::List(&ValueType::Text)),
    optional("default", ValueType::Any),
]);

/// The params of each request.
const FORM: ValueType = ValueType::Object(&[
    required("message", ValueType::Text),
    required(
        "requestedSchema",
        ValueType::Object(&[
            required("type", ValueType::OneOf(&["object"])),
            required("properties", ValueType::Named(&PROPERTY)),
            optional("required", ValueType::List(&ValueType::Text)),
        ]),
    ),
    optional("mode", ValueType::Text),
    optional("_meta", ValueType::Map),
]);
const PAGE: ValueType = ValueType::Object(&[
    required("message", ValueType::Text),
    required("url", ValueType::Text),
    optional("elicitationId", ValueType::Text),
    optional("_meta", ValueType::Map),
]);
const SAMPLING: ValueType = ValueType::Object(&[
    required("messages", ValueType::List(&ValueType::Any)),
    required("maxTokens", ValueType::Count),
    optional("modelPreferences", ValueType::Map),
    optional("systemPrompt", ValueType::Text),
    optional(
        "includeContext",
        ValueType::OneOf(&["none", "thisServer", "allServers"]),
    ),
    optional("temperature", ValueType::Number),
    optional("stopSequences", ValueType::List(&ValueType::Text)),
    optional("metadata", ValueType::Map),
    optional("tools", ValueType::List(&ValueType::Map)),
    optional("toolChoice", ValueType::Map),
    optional("_meta", ValueType::Map),
]);

const ASKING_FORM: [Field; 1] = [required("params", FORM)];
const ASKING_PAGE: [Field; 1] = [required("params", PAGE)];
const ASKING_MODEL: [Field; 1] = [required("params", SAMPLING)];
const ASKING_ROOTS: [Field; 1] = [optional("params", ValueType::Map)];

/// A request for the client.
pub(crate) const QUESTION: ValueType = ValueType::OfKind(write);

/// Writes a request, held against its method.
fn write(writer: &mut Writer, request: &RawValue) -> Result<(), Wrong> {
    let members = if request.get().starts_with('{') {
        writer.members(request)?
    } else {
        Members::default()
    };
    let fields: &'static [Field] = match method(&members) {
        Some("sampling/createMessage") => &ASKING_MODEL,
        Some("roots/list") => &ASKING_ROOTS,
        Some("elicitation/create") => match mode(&params(&members)).as_deref() {
            None | Some("form") => &ASKING_FORM,
            Some("url") => &ASKING_PAGE,
            Some(_) => return Err(writer.wrong_at("params.mode", "form or url")),
        },
        _ => return Err(writer.wrong_at("method", KINDS)),
    };
    writer.object(&members, fields)
}

/// What a client must be able to do to answer a request that is right.
pub(crate) fn needs(request: &RawValue) -> Vec<Capability> {
    let members = Members::read(request.get()).unwrap_or_default();
    match method(&members) {
        Some("elicitation/create") if needs_page(&params(&members)) => {
            vec![Capability::ElicitationUrl]
        }
        Some("elicitation/create") => vec![Capability::Elicitation],
        Some("sampling/createMessage") => {
            let params = params(&members);
            let has_tools = ["tools", "toolChoice"]
                .iter()
                .any(|field| params.get(field).is_some());
            if has_tools {
                vec![Capability::Sampling, Capability::SamplingTools]
            } else {
                vec![Capability::Sampling]
            }
        }
        _ => vec![Capability::Roots],
    }
}

/// The method of a request, where it is one of those that are asked.
pub(crate) fn method(request: &Members<'_>) -> Option<&'static str> {
    let method = request.get("method").and_then(Text::of)?;
    ["elicitation/create", "sampling/createMessage", "roots/list"]
        .into_iter()
        .find(|known| *known == method)
}

/// The params of a request; none of them where they are no object.
pub(crate) fn params<'a>(request: &Members<'a>) -> Members<'a> {
    let params = request.get("params");
    params
        .and_then(|params| Members::read(params.get()).ok())
        .unwrap_or_default()
}

/// Whether the params of an elicitation want a page to be visited.
pub(crate) fn needs_page(params: &Members<'_>) -> bool {
    mode(params).as_deref() == Some("url")
}

fn mode<'a>(params: &Members<'a>) -> Option<Cow<'a, str>> {
    params.get("mode").and_then(Text::of)
}
