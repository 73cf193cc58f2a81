//! `/openapi.json`: the document of the API, generated from the handlers.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ObjectBuilder, RefOr, Type};
use utoipa::{Modify, OpenApi, openapi};

use crate::answer::ErrorAnswer;

/// What the document says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "WASImancer administration",
        description = "Publish, update, roll back and remove plugins, resources and prompts of a WASImancer server while clients are connected."
    ),
    tags(
        (name = "plugins", description = "WebAssembly modules, and the tools that they hold"),
        (name = "resources", description = "Texts that clients can read"),
        (name = "prompts", description = "Messages that people can start a conversation with")
    ),
    components(schemas(ErrorAnswer)),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
pub(crate) struct Document;

/// The administration token.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some("The administration token, `WASIMANCER_ADMIN_TOKEN`".to_owned());
        if let Some(components) = &mut document.components {
            components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        }
    }
}

/// Adds the headers of answers, which depend on nothing but the status.
pub(crate) fn add_headers(document: &mut openapi::OpenApi) {
    let revision = header("The revision of the catalogue", "^\"[0-9a-f]{64}\"$");
    let methods = header("The methods that the route has", "^[A-Z]+(,[A-Z]+)*$");
    let headers = [
        ("200", "ETag", &revision),
        ("412", "ETag", &revision),
        ("405", "Allow", &methods),
    ];
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        for (status, name, header) in &headers {
            if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(*status) {
                let header = RefOr::T((*header).clone());
                response.headers.insert((*name).to_owned(), header);
            }
        }
    }
}

fn operations(item: &mut openapi::PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
    ];
    methods.into_iter().flatten()
}

fn header(description: &str, pattern: &str) -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new()
        .description(Some(description))
        .schema(Some(text.pattern(Some(pattern))))
        .build()
}
