//! Fetches a web page. A plugin reaches no host but those that the operator grants in plugins.yml (`permissions: network`).

use extism_pdk::{Error, FnResult, HttpRequest, Json, http, plugin_fn};
use serde::Deserialize;

#[derive(Deserialize)]
struct Target {
    url: String,
}

/// Answers the body of the page as text. Any status but a 2xx is an error that names it.
#[plugin_fn]
pub fn fetch(Json(target): Json<Target>) -> FnResult<Vec<u8>> {
    let response = http::request::<()>(&HttpRequest::new(&target.url).with_method("GET"), None)?;
    match response.status_code() {
        200..=299 => Ok(response.body()),
        status => Err(Error::msg(format!("{} answered with status {status}", target.url)).into()),
    }
}
