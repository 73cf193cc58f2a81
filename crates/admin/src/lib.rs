//! The REST API with which operators see what a catalogue serves.
//!
//! The crate promises that no route answers without the administration token, and that every error
//! is JSON with a stable code. The token itself is checked by the binary, with
//! [`Error::Unauthorized`] as the answer. The routes that change the catalogue are issue 3.

mod error;
mod plugins;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use wasimancer_catalog::Catalog;

pub use error::Error;

/// The routes of the API. They check no token: put them behind one.
pub fn router(catalog: Arc<Catalog>) -> Router {
    Router::new()
        .route("/plugins", get(plugins::list))
        .with_state(catalog)
}
