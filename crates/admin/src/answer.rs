//! What the routes answer.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema, openapi};
use wasimancer_catalog::{Difference, Digest, Escaped, Publication, Snapshot, Version};

use crate::error::Code;
use crate::revision::etag;

/// Why a request was not served.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorAnswer {
    /// A sentence for people.
    pub(crate) error: String,
    pub(crate) code: Code,
}

/// What every change answers beside its own fields.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Effect {
    /// What the operator should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// True where the same was served already, and nothing is different.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unchanged: bool,
    /// True where nothing was changed because the request said so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// What would be different, in answer to a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    changes: Option<ChangesAnswer>,
}

/// What a change does to what is offered.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangesAnswer {
    tools: DifferenceAnswer,
    resources: DifferenceAnswer,
    prompts: DifferenceAnswer,
}

/// Names, in alphabetical order.
#[derive(Serialize, ToSchema)]
pub(crate) struct DifferenceAnswer {
    added: Vec<String>,
    removed: Vec<String>,
    altered: Vec<String>,
}

impl From<Difference> for DifferenceAnswer {
    fn from(difference: Difference) -> Self {
        Self {
            added: difference.added,
            removed: difference.removed,
            altered: difference.altered,
        }
    }
}

/// What a dry run says in the place of a success.
const DRY_RUN: &str = "🙂 Nothing was changed: this was a dry run";

/// A change that was made, or would be, on its way to an answer.
pub(crate) struct Made {
    pub(crate) publication: Publication,
    pub(crate) dry_run: bool,
}

impl Made {
    /// The message: this one, unless it was a dry run.
    pub(crate) fn message(&self, success: String) -> String {
        if self.dry_run {
            DRY_RUN.to_owned()
        } else {
            success
        }
    }

    pub(crate) fn effect(&self) -> Effect {
        let changes = self.publication.changes.clone();
        Effect {
            warnings: (self.publication.warnings.iter())
                .map(|warning| Escaped(warning).to_string())
                .collect(),
            unchanged: self.publication.unchanged,
            dry_run: self.dry_run,
            changes: self.dry_run.then(|| ChangesAnswer {
                tools: changes.tools.into(),
                resources: changes.resources.into(),
                prompts: changes.prompts.into(),
            }),
        }
    }

    /// The answer, with the revision that is served now.
    pub(crate) fn answer(&self, body: impl Serialize) -> Response {
        answer(&self.publication.revision, body)
    }
}

/// An answer with the revision that it speaks of.
pub(crate) fn answer(revision: &Digest, body: impl Serialize) -> Response {
    (StatusCode::OK, [etag(revision)], Json(body)).into_response()
}

/// A version of a plugin.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionAnswer {
    /// From 1, in the order of publication.
    #[schema(minimum = 1)]
    number: u64,
    /// The version that its definition names.
    #[schema(required)]
    version: Option<String>,
    /// The digest of its module.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    digest: String,
    /// Size of its module, in bytes.
    size: u64,
    /// When it was published (RFC 3339); null where it was put there by hand.
    #[schema(required, format = DateTime)]
    published_at: Option<String>,
    /// Whether it is served.
    served: bool,
}

impl VersionAnswer {
    pub(crate) fn new(version: &Version, served: Option<u64>) -> Self {
        let shown = |seconds| {
            let moment = UNIX_EPOCH + Duration::from_secs(seconds);
            humantime::format_rfc3339_seconds(moment).to_string()
        };
        Self {
            number: version.number,
            version: version.version(),
            digest: version.digest.clone(),
            size: version.size_bytes,
            published_at: version.published_at.map(shown),
            served: served == Some(version.number),
        }
    }
}

/// A resource or prompt that is quarantined.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuarantinedAnswer {
    pub(crate) name: String,
    /// Everything that is wrong with it.
    pub(crate) problems: Vec<String>,
    /// Its entry in the definition file.
    pub(crate) definition: Value,
}

/// The entries of a kind that are quarantined.
pub(crate) fn quarantined(snapshot: &Snapshot, kind: &str) -> Vec<QuarantinedAnswer> {
    let entries = snapshot.quarantined().iter();
    entries
        .filter(|entry| entry.kind == kind)
        .map(|entry| QuarantinedAnswer {
            name: entry.name.clone(),
            problems: entry.reasons(),
            definition: entry.definition(),
        })
        .collect()
}

/// The errors of routes that list what is served.
pub(crate) struct ListErrors;

/// The errors of routes that show one entry.
pub(crate) struct ShowErrors;

/// The errors of routes that change something, and whose request has no body.
pub(crate) struct ChangeErrors;

/// The errors of routes that change something as a body says.
pub(crate) struct BodyErrors;

const FORBIDDEN: (&str, &str) = ("403", "The administration token is missing or wrong");
const TOO_MANY: (&str, &str) = (
    "429",
    "Too many wrong tokens come from the caller's address: Retry-After tells when to try again",
);
const OTHER_METHOD: (&str, &str) = ("405", "The route has another method, which Allow names");

impl IntoResponses for ListErrors {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        error_responses([
            FORBIDDEN,
            ("404", "The kind is switched off"),
            OTHER_METHOD,
            TOO_MANY,
        ])
    }
}

impl IntoResponses for ShowErrors {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        error_responses([
            ("400", "The name in the URL is no UTF-8"),
            FORBIDDEN,
            ("404", "There is no such entry, or the kind is switched off"),
            OTHER_METHOD,
            TOO_MANY,
            ("500", "The disk refused"),
        ])
    }
}

impl IntoResponses for ChangeErrors {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        error_responses([
            (
                "400",
                "The request is wrong: the error names the field, the value and the remedy",
            ),
            FORBIDDEN,
            (
                "404",
                "There is no such resource, prompt or version, or the kind is switched off",
            ),
            OTHER_METHOD,
            (
                "409",
                "The definition file was edited by hand in a way that stands against the change",
            ),
            (
                "412",
                "The catalogue is at another revision than If-Match names: ETag tells which",
            ),
            TOO_MANY,
            (
                "500",
                "The module is wrong, there is no such plugin, or the disk refused",
            ),
            (
                "503",
                "The server has no memory left for the request, or for compiling the module: Retry-After says when to try again",
            ),
        ])
    }
}

impl IntoResponses for BodyErrors {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let mut responses = ChangeErrors::responses();
        responses.extend(error_responses([
            ("408", "The body did not arrive in time"),
            ("413", "The body is larger than the limit"),
            ("415", "The body is compressed"),
        ]));
        responses
    }
}

fn error_responses<const N: usize>(
    errors: [(&str, &str); N],
) -> BTreeMap<String, RefOr<openapi::Response>> {
    let response = |description: &str| {
        let schema = Ref::from_schema_name("ErrorAnswer");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(description);
        RefOr::T(response.content("application/json", content).build())
    };
    let errors = errors.into_iter();
    errors
        .map(|(status, description)| (status.to_owned(), response(description)))
        .collect()
}
