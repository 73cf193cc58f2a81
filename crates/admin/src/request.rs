//! What the routes read from a request, and how each part of it can be wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use axum::http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use utoipa::IntoParams;
use wasimancer_catalog::{Catalog, Change, ChargedBytes, Request as CatalogRequest, apart};

use crate::answer::Made;
use crate::error::Error;
use crate::revision::if_match;

/// As whom operators take turns with the callers of tools.
pub(crate) const OPERATORS: u64 = 1;

/// U+FEFF in UTF-8, which some programs write before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What all routes share.
pub(crate) struct Admin {
    pub(crate) catalog: Arc<Catalog>,
    /// Most bytes of a module.
    pub(crate) upload_max_bytes: u64,
    /// Most bytes of any other body.
    pub(crate) body_max_bytes: u64,
    /// How long a body may take to arrive; how long the next piece may, of one with a module.
    pub(crate) read_timeout: Duration,
    /// Changes that are prepared at once: those that wait should not wait on threads. Those of plugins,
    /// which may compile for long, have places of their own.
    pub(crate) data_places: Arc<Semaphore>,
    pub(crate) plugin_places: Arc<Semaphore>,
}

/// The query of every change.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangeQuery {
    /// Whether to validate and compile everything, and to change nothing.
    pub(crate) dry_run: bool,
}

/// The header of every change that names the revisions which it may be made to.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes a header that is read by hand")]
pub(crate) struct IfMatch {
    /// Revisions, as `ETag` gave them, or `*`; the change is refused where the catalogue is at another.
    #[param(rename = "If-Match", nullable = false)]
    if_match: Option<String>,
}

/// The parameters of a query; what is wrong with them is told in JSON.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(parameters)| Self(parameters))
            .map_err(|error| Error::BadUrl(error.body_text()))
    }
}

/// The name in a path, percent-decoded; what is wrong with it is told in JSON.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name))
            .map_err(|error: PathRejection| Error::BadUrl(error.body_text()))
    }
}

impl Admin {
    /// A JSON body.
    pub(crate) async fn json(&self, request: Request) -> Result<Value, Error> {
        check_encoding(request.headers())?;
        let none = ChargedBytes::empty(self.catalog.budget().empty(), 0);
        let read = read(request.into_body(), self.body_max_bytes, none);
        let bytes = timeout(self.read_timeout, read).await;
        let bytes = bytes.map_err(|_| Error::TooSlow {
            what: "the body",
            limit: self.read_timeout,
        })??;
        let json = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        let read = || serde_json::from_slice(json);
        let read = apart(OPERATORS, bytes.len(), read).await;
        read.map_err(|error| Error::Malformed {
            what: "the body",
            reason: error.to_string(),
        })
    }
}

/// Refuses a body that is compressed (RFC 9110, section 8.4).
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), Error> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Error::UnsupportedEncoding);
    }
    Ok(())
}

/// Reads a body, charged as it comes.
async fn read(mut body: Body, limit: u64, mut read: ChargedBytes) -> Result<ChargedBytes, Error> {
    let limit_bytes = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut pieces = Limited::new(&mut body, limit_bytes);
    let refused = loop {
        match pieces.frame().await {
            None => return Ok(read),
            Some(Ok(frame)) => {
                let Ok(piece) = frame.into_data() else {
                    continue;
                };
                if let Err(full) = read.push(&piece) {
                    break full.into();
                }
            }
            Some(Err(error)) if error.is::<LengthLimitError>() => {
                break Error::TooLarge {
                    what: "the body",
                    limit,
                };
            }
            Some(Err(error)) => {
                return Err(Error::BrokenOff {
                    reason: error.to_string(),
                });
            }
        }
    };
    drop(read);
    // A client that sends all of it before it looks for the answer would else find its connection
    // reset, and no answer.
    let mut rest = Limited::new(body, limit_bytes.saturating_mul(4));
    while let Some(Ok(_)) = rest.frame().await {}
    Err(refused)
}

impl Admin {
    /// Makes a change, where blocking is allowed. One that has begun is made to its end also when the
    /// client is gone.
    pub(crate) async fn publish(
        &self,
        headers: &HeaderMap,
        dry_run: bool,
        change: Change,
    ) -> Result<Made, Error> {
        let catalog = Arc::clone(&self.catalog);
        let request = CatalogRequest {
            change,
            expected: if_match(headers),
            dry_run,
        };
        // A change whose client is gone before it has a place is not made.
        let places = if request.change.is_of_plugin() {
            &self.plugin_places
        } else {
            &self.data_places
        };
        let place = Arc::clone(places).acquire_owned().await;
        let publication = blocking(move || {
            let published = catalog.publish(request);
            drop(place);
            published
        });
        let publication = publication.await??;
        Ok(Made {
            publication,
            dry_run,
        })
    }
}

/// Runs what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a change ended before its time");
        Error::Failed
    })
}
