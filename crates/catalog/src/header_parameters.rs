//! `x-mcp-header`: the arguments that a request must repeat in headers (MCP 2026-07-28, transports,
//! "Custom Headers from Tool Parameters").

use serde_json::Value;

use crate::node::excerpt;
use crate::subschemas::visit;

/// The keyword in the schema of an argument.
const KEYWORD: &str = "x-mcp-header";

/// An argument that the request must repeat in a header: `x-mcp-header` in its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderParameter {
    /// What follows `Mcp-Param-` in the header's name.
    pub name: String,
    /// The chain of `properties` that leads to the argument.
    pub path: Vec<String>,
}

/// The annotated parameters of a schema, in its order.
///
/// # Errors
/// When an annotation breaks a constraint of the specification, such as to stand where no chain of
/// `properties` leads.
pub(crate) fn header_parameters(schema: &Value) -> Result<Vec<HeaderParameter>, String> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found)?;
    if count(schema) > found.len() {
        return Err(format!(
            "`{KEYWORD}` stands where no chain of `properties` leads: move it to a property"
        ));
    }
    Ok(found)
}

/// Collects what is reached through `properties` alone.
fn collect(
    schema: &Value,
    path: &mut Vec<String>,
    found: &mut Vec<HeaderParameter>,
) -> Result<(), String> {
    let properties = schema["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        path.push(name.clone());
        if let Some(header) = property.get(KEYWORD) {
            let name = check(header, property, found)?;
            let path = path.clone();
            found.push(HeaderParameter { name, path });
        }
        collect(property, path, found)?;
        path.pop();
    }
    Ok(())
}

fn check(header: &Value, property: &Value, known: &[HeaderParameter]) -> Result<String, String> {
    let is_token = |name: &str| {
        let tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !name.is_empty() && name.bytes().all(tchar)
    };
    let name = header
        .as_str()
        .filter(|name| is_token(name))
        .ok_or_else(|| {
            let written = excerpt(&header.to_string());
            format!("`{KEYWORD}` is {written}: write a header name of letters, digits and -")
        })?;
    if !matches!(
        property["type"].as_str(),
        Some("string" | "integer" | "boolean")
    ) {
        return Err(format!(
            "`{KEYWORD}: {name}` needs a parameter of type string, integer or boolean"
        ));
    }
    if known
        .iter()
        .any(|known| known.name.eq_ignore_ascii_case(name))
    {
        return Err(format!(
            "`{KEYWORD}: {name}` occurs twice: give each parameter its own header"
        ));
    }
    Ok(name.to_owned())
}

/// How often the keyword stands in a schema and in all schemas inside it.
fn count(schema: &Value) -> usize {
    let mut count = 0;
    visit(schema, &mut |fields| {
        count += usize::from(fields.contains_key(KEYWORD));
    });
    count
}
