//! Resources: static ones, whose answer is ready, and those behind a URI template.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::arguments::Argument;
use crate::definition::shown;
use crate::node::{Data, Node, Reader};
use crate::template::substitute;
use crate::uri_template::UriTemplate;

/// A resource with one URI.
pub struct StaticResource {
    pub(crate) name: String,
    pub(crate) uri: String,
    pub(crate) line: Option<usize>,
    contents: Bytes,
    pub(crate) entry: Value,
}

/// A resource for every URI that a template matches.
pub struct ResourceTemplate {
    pub(crate) name: String,
    pub(crate) uri_template: String,
    pub(crate) line: Option<usize>,
    template: UriTemplate,
    arguments: Vec<Argument>,
    contents: Vec<Map<String, Value>>,
    pub(crate) entry: Value,
}

/// A resource of either kind.
pub(crate) enum Resource {
    Static(StaticResource),
    Template(ResourceTemplate),
}

impl Resource {
    pub(crate) fn read(node: &Node, name: String, reader: &mut Reader<'_>) -> Option<Self> {
        let uri = reader.required_text(node, "uri", "give the resource a URI, such as info://example");
        let arguments = Argument::read_all(node, reader);
        let contents = contents(node, reader);
        for field in ["title", "description", "mimeType"] {
            reader.optional_text(node, field);
        }
        let uri = uri?;
        // A template without arguments is a static resource whose URI happens to hold braces.
        if UriTemplate::is_template(&uri) && node.get("arguments").is_some() {
            return template(node, name, uri, arguments, contents, reader).map(Self::Template);
        }
        let contents: Vec<Value> = contents.into_iter().map(|fields| with_uri(&uri, fields)).collect();
        let mut entry = Map::new();
        entry.insert("uri".to_owned(), json!(uri));
        entry.insert("name".to_owned(), json!(name));
        entry.extend(shown(node, &["name", "uri", "arguments", "contents"]));
        Some(Self::Static(StaticResource {
            name,
            uri,
            line: node.line,
            contents: Bytes::from(Value::Array(contents).to_string()),
            entry: Value::Object(entry),
        }))
    }
}

fn template(
    node: &Node,
    name: String,
    uri_template: String,
    arguments: Vec<Argument>,
    contents: Vec<Map<String, Value>>,
    reader: &mut Reader<'_>,
) -> Option<ResourceTemplate> {
    let line = node.get("uri").and_then(|node| node.line);
    let template = UriTemplate::parse(&uri_template)
        .map_err(|error| reader.problem(line, "uri", format!("{uri_template:?} is no URI template: {error}")))
        .ok()?;
    for argument in &arguments {
        if !template.variables().contains(&argument.name) {
            let message = format!("{:?} is no variable of the URI template {uri_template:?}", argument.name);
            reader.problem(line, "arguments", message);
        }
    }
    let mut entry = Map::new();
    entry.insert("uriTemplate".to_owned(), json!(uri_template));
    entry.insert("name".to_owned(), json!(name));
    entry.extend(shown(node, &["name", "uri", "arguments", "contents"]));
    Some(ResourceTemplate {
        name,
        uri_template,
        line: node.line,
        template,
        arguments,
        contents,
        entry: Value::Object(entry),
    })
}

/// Reads `contents`: maps with a `text` or a `blob`, and any further fields.
fn contents(node: &Node, reader: &mut Reader<'_>) -> Vec<Map<String, Value>> {
    let listed = reader.list(node, "contents");
    if listed.is_empty() {
        reader.problem(node.line, "contents", "is missing or empty: give at least one content with a `text`");
    }
    let mut contents = Vec::with_capacity(listed.len());
    for (index, content) in listed.iter().enumerate() {
        let mut inside = reader.inside(&format!("contents[{index}]"));
        if !inside.is_map(content) {
            continue;
        }
        if content.get("text").is_none() && content.get("blob").is_none() {
            inside.problem(content.line, "text", "is missing: give the content a `text` or a base64 `blob`");
        }
        for field in ["text", "blob", "mimeType", "uri"] {
            inside.optional_text(content, field);
        }
        if let Data::Map(fields) = &content.data {
            contents.push(fields.iter().map(|(key, value)| (key.clone(), value.to_json())).collect());
        }
    }
    contents
}

/// `{"uri": …, …the fields}`; a URI among the fields wins.
fn with_uri(uri: &str, fields: Map<String, Value>) -> Value {
    let mut content = Map::new();
    content.insert("uri".to_owned(), json!(uri));
    content.extend(fields);
    Value::Object(content)
}

impl StaticResource {
    /// The JSON array of its contents.
    #[must_use]
    pub fn contents(&self) -> &Bytes {
        &self.contents
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
    pub fn choices(&self, variable: &str) -> Option<Vec<String>> {
        let known = self.template.variables().iter().any(|name| name == variable);
        let argument = self.arguments.iter().find(|argument| argument.name == variable);
        known.then(|| argument.map(Argument::choices_as_text).unwrap_or_default())
    }

    /// The JSON array of the contents at a URI, where the template matches it. The types of its
    /// arguments are documentation: every value is a text.
    #[must_use]
    pub fn read(&self, uri: &str) -> Option<Bytes> {
        let values = self.template.matches(uri)?;
        let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        let contents: Vec<Value> = self
            .contents
            .iter()
            .map(|fields| {
                let mut fields = fields.clone();
                if let Some(Value::String(text)) = fields.get_mut("text") {
                    *text = substitute(text, value).into_owned();
                }
                with_uri(uri, fields)
            })
            .collect();
        Some(Bytes::from(Value::Array(contents).to_string()))
    }
}
