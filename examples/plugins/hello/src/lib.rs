//! Greets people. The smallest example: one JSON argument in, plain text out, and two ways to configure a plugin.

use extism_pdk::{FnResult, Json, config, plugin_fn};
use serde::Deserialize;

#[derive(Deserialize)]
struct Person {
    name: String,
}

/// Answers `Hello, NAME!`. The word of greeting is the key `greeting` of the plugin's `config:` map in plugins.yml.
#[plugin_fn]
pub fn hello(Json(person): Json<Person>) -> FnResult<String> {
    let greeting = config::get("greeting")?.unwrap_or_else(|| "Hello".to_owned());
    Ok(format!("{greeting}, {}!", person.name))
}

/// Answers the text of the server's environment variable `WASM_MESSAGE`: a plugin finds every variable whose name
/// begins with `WASM_` in its configuration, under the variable's full name.
#[plugin_fn]
pub fn message() -> FnResult<String> {
    let message = config::get("WASM_MESSAGE")?;
    Ok(message.unwrap_or_else(|| "No message today: WASM_MESSAGE is not set.".to_owned()))
}
