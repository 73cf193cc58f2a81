//! `/openapi.json`: the API as OpenAPI 3.1, generated from the handlers.

use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use crate::answer::ErrorAnswer;

/// What the document says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "WASImancer administration",
        description = "Publish, update, roll back and remove plugins, resources and prompts of a WASImancer server while clients are connected."
    ),
    components(schemas(ErrorAnswer)),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
pub(crate) struct Document;

/// The administration token.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        if let Some(components) = &mut document.components {
            components.add_security_scheme("bearer", scheme);
        }
    }
}
