//! The floor: a thin endpoint that parses one `tools/call` and answers its arguments. It checks
//! nothing, runs nothing, and answers both eras alike.

use std::borrow::Cow;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// As the product has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

async fn answer(headers: HeaderMap, body: Bytes) -> Response {
    if headers
        .get(header::ORIGIN)
        .is_some_and(|origin| origin != "http://localhost")
    {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Ok(request) = serde_json::from_slice::<Request<'_>>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let params = request
        .params
        .map(|params| serde_json::from_str::<Params<'_>>(params.get()));
    let Some(Ok(params)) = params else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if request.method != "tools/call" || params.name.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let id = request.id.map_or("null", RawValue::get);
    let text = Value::from(params.arguments.map_or("{}", RawValue::get));
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"resultType\":\"complete\",\"content\":[{{\"type\":\"text\",\"text\":{text}}}]}}}}"
    );
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A body of as many bytes as a list, for what serving bytes costs at least.
async fn bytes(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn main() -> anyhow::Result<()> {
    let mut routes = Router::new().route("/mcp", post(answer));
    // Files to be served as they are, from memory.
    for (index, file) in std::env::args().skip(2).enumerate() {
        let body = Bytes::from(std::fs::read(file)?);
        routes = routes.route(&format!("/file/{index}"), post(move || bytes(body.clone())));
    }
    wasimancer_bench::serve(wasimancer_bench::threads()?, routes)
}
