//! The REST API with which operators see and change what a catalogue serves.
//!
//! The crate promises that no route answers without the administration token, that every error is
//! JSON with a stable code, and that nothing of a request that is refused stays on the disk. The
//! token itself is checked by the binary, with [`Error::Unauthorized`] as the answer.

mod answer;
mod definition;
mod error;
mod openapi;
mod paced;
mod plugins;
mod prompts;
mod request;
mod resources;
mod revision;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get};
use axum::{Json, Router};
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use wasimancer_catalog::Catalog;

pub use error::Error;
use request::Admin;

/// Most changes to resources and prompts, and to plugins, that are prepared at once. Compiling a module
/// takes all cores, so more of them would not be made sooner.
const DATA_PLACES: usize = 4;
const PLUGIN_PLACES: usize = 4;

/// What the API is to be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most bytes of a module that is sent.
    pub upload_max_bytes: u64,
    /// Most bytes of any other body.
    pub body_max_bytes: u64,
    /// How long a body may take to arrive; how long the next piece may, of one with a module.
    pub read_timeout: Duration,
}

/// The routes of the API. They check no token: put them behind one.
pub fn router(catalog: Arc<Catalog>, options: &Options) -> Router {
    let admin = Admin {
        catalog,
        upload_max_bytes: options.upload_max_bytes,
        body_max_bytes: options.body_max_bytes,
        read_timeout: options.read_timeout,
        data_places: Arc::new(Semaphore::new(DATA_PLACES)),
        plugin_places: Arc::new(Semaphore::new(PLUGIN_PLACES)),
    };
    let documented = OpenApiRouter::with_openapi(openapi::Document::openapi())
        .merge(plugins::routes())
        .merge(resources::routes())
        .merge(prompts::routes());
    let (router, mut document) = documented.split_for_parts();
    openapi::add_headers(&mut document);
    let mut router = router.route("/openapi.json", get(async move || Json(document)));
    for (kind, paths) in [
        ("plugin", ["/remove-plugin", "/rollback-plugin"].as_slice()),
        ("resource", &["/update-resource", "/remove-resource"]),
        ("prompt", &["/update-prompt", "/remove-prompt"]),
    ] {
        for path in paths {
            let nameless = any(async move || Error::MissingName { kind });
            router = router
                .route(path, nameless.clone())
                .route(&format!("{path}/"), nameless);
        }
    }
    router
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        // Bodies have limits of their own, which answer in JSON.
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::new(admin))
}
