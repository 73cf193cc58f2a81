//! Resources: static ones, whose answer is ready, and those behind a URI template. A function may
//! make the contents of both.

use std::collections::BTreeMap;

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};
use wasimancer_runtime::without_credentials;

use crate::arguments::{Argument, RESERVED_ARGUMENT};
use crate::choices::Choices;
use crate::node::{Node, Reader};
use crate::read::{Read, ResourceCall};
use crate::shown::{OF_RESOURCES, check_base64, check_resource_fields, shown};
use crate::source::{Made, Placed, SOURCE_FIELDS, Source};
use crate::template::{FILLED_MAX_BYTES, Filling, TooLong};
use crate::uri::Comparable;
use crate::uri_syntax;
use crate::uri_template::UriTemplate;

/// What becomes of an entry of a file whose URI is none.
const UNLISTED: &str = "it can be read, and lists leave it out";

/// A resource with one URI.
pub(crate) struct StaticResource {
    pub(crate) uri: String,
    contents: Made<Written>,
    pub(crate) entry: Value,
    /// Whether lists show it: some clients lose a whole list for a URI that is none.
    pub(crate) is_listed: bool,
}

/// The JSON array of a static resource's contents.
struct Written {
    json: Bytes,
    /// Where the resource's own URI stands in it, as JSON: offsets in bytes, in ascending order.
    own_uris: Vec<usize>,
}

/// A resource for every URI that a template matches.
pub struct ResourceTemplate {
    pub(crate) uri_template: String,
    template: UriTemplate,
    arguments: Vec<Argument>,
    contents: Made<Vec<Fields>>,
    pub(crate) entry: Value,
    /// Whether lists show it: no URI can match what is no template of URIs.
    pub(crate) is_listed: bool,
}

/// What the protocol knows of a resource beside its name and URI.
const SHOWN_FIELDS: [&str; 7] = [
    "title",
    "description",
    "mimeType",
    "size",
    "annotations",
    "icons",
    "_meta",
];

/// The fields of one content.
type Fields = Map<String, Value>;

/// A resource of either kind.
pub(crate) enum Resource {
    Static(StaticResource),
    Template(ResourceTemplate),
}

impl Resource {
    pub(crate) fn read(node: &Node, name: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let remedy = "give the resource a URI, such as info://example";
        let uri = reader.required_text(node, "uri", remedy);
        // A template without arguments is a static resource whose URI happens to hold braces.
        let is_template = uri.as_deref().is_some_and(UriTemplate::is_template);
        let template = if is_template && node.get("arguments").is_some() {
            Some(template(node, uri.as_deref()?, reader))
        } else {
            None
        };
        let parsed = template.as_ref().and_then(Option::as_ref);
        let is_unlisted = reader.is_tolerated(UNLISTED, |reader| {
            let fault = match (&template, &uri) {
                (None, Some(uri)) => uri_syntax::fault(uri),
                (Some(Some(_)), Some(uri)) => uri_syntax::template_fault(uri),
                _ => None,
            };
            if let Some(fault) = fault {
                reader.wrong(node, "uri", fault);
            }
        });
        let arguments = Argument::read_all(node, reader, &|argument, node, reader| {
            if let Some(template) = parsed {
                check_variable(argument, template, node, reader);
            }
        });
        let contents = Source::read_or(node, "contents", reader, |reader| contents(node, reader));
        let known = [
            &["name", "uri", "arguments", "contents"][..],
            &SOURCE_FIELDS,
        ]
        .concat();
        let shown = shown(node, &known, &OF_RESOURCES, reader);
        reader.check_keys(node, &[&known[..], &SHOWN_FIELDS].concat());
        check_resource_fields(node, reader);
        let (uri, contents) = (uri?, contents?);
        let Some(template) = template else {
            let resource = StaticResource::new(name, uri, contents, shown);
            return Some(Self::Static(StaticResource {
                is_listed: !is_unlisted,
                ..resource
            }));
        };
        Some(Self::Template(ResourceTemplate {
            entry: entry("uriTemplate", &uri, name, shown),
            is_listed: !is_unlisted,
            uri_template: uri,
            template: template?,
            arguments,
            contents,
        }))
    }

    /// The list of the definition file that holds such resources.
    pub(crate) fn list(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::Template(_) => "dynamic",
        }
    }

    /// The URI or the template of it.
    pub(crate) fn uri(&self) -> &str {
        match self {
            Self::Static(resource) => &resource.uri,
            Self::Template(template) => &template.uri_template,
        }
    }

    /// Every function that it names.
    pub(crate) fn sources(&self) -> Vec<Placed<'_>> {
        match self {
            Self::Static(resource) => resource.sources().collect(),
            Self::Template(template) => template.sources().collect(),
        }
    }
}

/// What a list shows.
fn entry(uri_field: &str, uri: &str, name: &str, shown: Map<String, Value>) -> Value {
    let mut entry = Map::new();
    entry.insert(uri_field.to_owned(), json!(uri));
    entry.insert("name".to_owned(), json!(name));
    entry.extend(shown);
    Value::Object(entry)
}

fn template(node: &Node, uri: &str, reader: &mut Reader<'_>) -> Option<UriTemplate> {
    let template = UriTemplate::parse(uri);
    if let Err(error) = &template {
        let uri = without_credentials(uri);
        reader.wrong(node, "uri", format!("{uri:?} is no URI template: {error}"));
    }
    let is_reserved = |variable: &String| variable == RESERVED_ARGUMENT;
    if let Ok(template) = &template
        && template.variables().iter().any(is_reserved)
    {
        let message =
            format!("the variable {RESERVED_ARGUMENT} is the server's own: choose another name");
        reader.wrong(node, "uri", message);
    }
    template.ok()
}

fn check_variable(
    argument: &Argument,
    template: &UriTemplate,
    node: &Node,
    reader: &mut Reader<'_>,
) {
    if !template.variables().contains(&argument.name) {
        let variables = template.variables().join(", ");
        let message = format!(
            "{:?} is no variable of the URI: write one of {variables}",
            argument.name
        );
        reader.wrong(node, "name", message);
    }
}

/// Reads `contents`: maps with a `text` or a `blob`, and any further fields.
fn contents(node: &Node, reader: &mut Reader<'_>) -> Vec<Fields> {
    let remedy = "give at least one content with a `text`";
    let listed = reader.required_list(node, "contents", remedy);
    let mut contents = Vec::with_capacity(listed.len());
    for (index, content) in listed.iter().enumerate() {
        let mut inside = reader.inside(&format!("contents[{index}]"));
        if inside.is_map(content) {
            contents.push(fields(content, &mut inside));
        }
    }
    contents
}

/// The fields of one content. Those of the protocol are absent where they are left blank; of the
/// others a blank one is null.
fn fields(content: &Node, reader: &mut Reader<'_>) -> Fields {
    const OF_THE_PROTOCOL: [&str; 5] = ["text", "blob", "mimeType", "uri", "_meta"];
    if content.get("text").is_none() && content.get("blob").is_none() {
        reader.wrong(
            content,
            "text",
            "is missing: give the content a `text` or a base64 `blob`",
        );
    }
    reader.check_keys(content, &[&OF_THE_PROTOCOL[..], &["_meta"]].concat());
    for field in ["text", "mimeType", "uri"] {
        reader.optional_text(content, field);
    }
    check_base64(content, "blob", reader);
    reader.optional_map(content, "_meta");
    let written = content.fields().iter();
    written
        .filter(|(key, value)| !value.is_null() || !OF_THE_PROTOCOL.contains(&key.as_str()))
        .filter_map(|(key, value)| Some((key.clone(), reader.json(value, key)?)))
        .collect()
}

/// `{"uri": …, …the fields}`; a URI among the fields wins.
fn with_uri(uri: &str, fields: Fields) -> Value {
    let mut content = Map::new();
    content.insert("uri".to_owned(), json!(uri));
    content.extend(fields);
    Value::Object(content)
}

/// What a URI cannot hold as it is (RFC 3986, section 2).
const NOT_IN_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The URI with what it cannot hold percent-encoded: clients write spaces and letters of all
/// scripts into URIs, and are answered with one that is well-formed.
fn well_formed(uri: &str) -> String {
    let mut out = String::with_capacity(uri.len());
    for (index, part) in uri.split('%').enumerate() {
        if index > 0 {
            let digits = part.bytes().take(2).filter(u8::is_ascii_hexdigit).count();
            out.push_str(if digits == 2 { "%" } else { "%25" });
        }
        out.extend(utf8_percent_encode(part, NOT_IN_URI));
    }
    out
}

/// What a list's entry shows as the type of the contents.
fn mime_type(entry: &Value) -> Option<&str> {
    entry["mimeType"].as_str()
}

impl StaticResource {
    fn new(
        name: &str,
        uri: String,
        contents: Made<Vec<Fields>>,
        shown: Map<String, Value>,
    ) -> Self {
        let contents = match contents {
            Made::Data(contents) => Made::Data(Written::of(&uri, contents)),
            Made::Function(source) => Made::Function(source),
        };
        Self {
            contents,
            entry: entry("uri", &uri, name, shown),
            is_listed: true,
            uri,
        }
    }

    /// What it reads under its URI, or under an equal one, which the answer then names.
    pub(crate) fn read(&self, asked: &str) -> Read<'_> {
        match &self.contents {
            Made::Data(written) if asked == self.uri => Read::Contents(written.json.clone()),
            Made::Data(written) => Read::Contents(written.under(&self.uri, asked)),
            Made::Function(source) => Read::Function(ResourceCall {
                source,
                input: b"{}".to_vec(),
                uri: asked.to_owned(),
                mime_type: mime_type(&self.entry),
            }),
        }
    }

    /// Every function that it names.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Placed<'_>> {
        let source = self.contents.source();
        source.map(|source| (String::new(), source)).into_iter()
    }
}

impl Written {
    fn of(uri: &str, contents: Vec<Fields>) -> Self {
        let mut json = String::from("[");
        let mut own_uris = Vec::new();
        for fields in contents {
            if json.len() > 1 {
                json.push(',');
            }
            if !fields.contains_key("uri") {
                own_uris.push(json.len() + r#"{"uri":"#.len());
            }
            json.push_str(&with_uri(uri, fields).to_string());
        }
        json.push(']');
        Self {
            json: Bytes::from(json),
            own_uris,
        }
    }

    /// The same with another URI in the place of its own.
    fn under(&self, own: &str, asked: &str) -> Bytes {
        let own_bytes = Value::from(own).to_string().len();
        let asked = Value::from(asked).to_string();
        let grown = self.own_uris.len() * asked.len();
        let mut out = Vec::with_capacity(self.json.len() + grown);
        let mut from = 0;
        for at in &self.own_uris {
            out.extend_from_slice(&self.json[from..*at]);
            out.extend_from_slice(asked.as_bytes());
            from = at + own_bytes;
        }
        out.extend_from_slice(&self.json[from..]);
        Bytes::from(out)
    }
}

impl ResourceTemplate {
    /// The template, as the definition writes it.
    #[must_use]
    pub fn uri_template(&self) -> &str {
        &self.uri_template
    }

    /// The values that a variable may have; none where there is no such variable.
    #[must_use]
    pub fn choices(&self, variable: &str) -> Option<Choices<'_>> {
        let mut variables = self.template.variables().iter();
        variables.find(|name| *name == variable)?;
        let mut arguments = self.arguments.iter();
        let argument = arguments.find(|argument| argument.name == variable);
        Some(argument.map_or(Choices::Listed(Vec::new()), Argument::completions))
    }

    /// Every function that it names.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Placed<'_>> {
        let own = self.contents.source().map(|source| (String::new(), source));
        own.into_iter().chain(Argument::sources(&self.arguments))
    }

    /// What a URI reads, where the template matches it. The types of its arguments are
    /// documentation: every value is a text.
    pub(crate) fn read(&self, uri: &str) -> Option<Read<'_>> {
        Some(self.filled(uri, self.template.matches(uri)?))
    }

    /// The same where it matches an equal URI, of which this is the comparable form.
    pub(crate) fn read_equal(&self, uri: &str, comparable: &Comparable) -> Option<Read<'_>> {
        Some(self.filled(uri, self.template.matches_equal(uri, comparable)?))
    }

    fn filled(&self, uri: &str, values: Vec<(&str, String)>) -> Read<'_> {
        let uri = well_formed(uri);
        match &self.contents {
            Made::Data(contents) => match fill(contents, &uri, &values) {
                Ok(contents) => Read::Contents(contents),
                Err(TooLong) => Read::TooLong {
                    limit: FILLED_MAX_BYTES,
                },
            },
            Made::Function(source) => {
                let values = values.into_iter();
                let values = values.map(|(name, value)| (name.to_owned(), Value::from(value)));
                Read::Function(ResourceCall {
                    source,
                    input: Value::Object(values.collect()).to_string().into_bytes(),
                    uri,
                    mime_type: mime_type(&self.entry),
                })
            }
        }
    }
}

/// The JSON array of contents with the values in their texts.
fn fill(contents: &[Fields], uri: &str, values: &[(&str, String)]) -> Result<Bytes, TooLong> {
    // Of a variable that stands twice the first value counts.
    let values: BTreeMap<&str, &str> = values
        .iter()
        .rev()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut filling = Filling::new();
    let contents = contents.iter().map(|fields| {
        let mut fields = fields.clone();
        filling.hold(uri)?;
        if let Some(Value::String(text)) = fields.get_mut("text") {
            *text = filling.substitute(text, |name| values.get(name).copied())?;
        }
        Ok(with_uri(uri, fields))
    });
    let contents: Value = contents.collect::<Result<_, _>>()?;
    Ok(Bytes::from(contents.to_string()))
}

#[cfg(test)]
mod tests {
    use super::well_formed;

    #[test]
    fn answers_hold_well_formed_uris() {
        for (asked, answered) in [
            (
                "greet-user://Ada/Lovelace?x=[1]#f%20",
                "greet-user://Ada/Lovelace?x=[1]#f%20",
            ),
            ("m://A b/é\"", "m://A%20b/%C3%A9%22"),
            ("m://100%/%zz/%2", "m://100%25/%25zz/%252"),
        ] {
            assert_eq!(well_formed(asked), answered);
        }
    }
}
