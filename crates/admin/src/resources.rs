//! Resources: listed, added, updated and removed.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wasimancer_catalog::{Change, Data, Error as CatalogError};

use crate::answer::{
    BodyErrors, ChangeErrors, Effect, ListErrors, QuarantinedAnswer, answer, quarantined,
};
use crate::definition::ResourceDefinition;
use crate::error::Error;
use crate::request::{Admin, ChangeQuery, IfMatch, Name, Parameters};

/// The routes of resources.
pub(crate) fn routes() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(add))
        .routes(routes!(update))
        .routes(routes!(remove))
}

/// What a resource is: of one URI, or of all that match a template.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes the words of the catalogue")]
enum ResourceType {
    Static,
    Dynamic,
}

/// A resource in the list.
#[derive(Serialize, ToSchema)]
struct ResourceSummary {
    name: String,
    #[serde(rename = "type")]
    #[schema(value_type = ResourceType)]
    kind: &'static str,
    /// Its entry in the definition file.
    #[schema(value_type = Object)]
    definition: Value,
}

/// The resources in the order of their definition file.
#[derive(Serialize, ToSchema)]
struct ResourcesAnswer {
    resources: Vec<ResourceSummary>,
    quarantined: Vec<QuarantinedAnswer>,
}

/// A resource that is served.
#[derive(Serialize, ToSchema)]
struct ResourceAddedAnswer {
    message: String,
    /// The resource as it was sent.
    #[schema(value_type = Object)]
    resource: Value,
    #[serde(flatten)]
    effect: Effect,
}

/// A resource with another definition.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ResourceUpdatedAnswer {
    message: String,
    /// What it was; null where it was quarantined.
    #[schema(value_type = Option<ResourceType>, required)]
    old_type: Option<&'static str>,
    /// What it is now.
    #[schema(value_type = Option<ResourceType>, required)]
    new_type: Option<&'static str>,
    /// The resource as it was sent.
    #[schema(value_type = Object)]
    resource: Value,
    #[serde(flatten)]
    effect: Effect,
}

/// A resource that is removed.
#[derive(Serialize, ToSchema)]
struct ResourceRemovedAnswer {
    message: String,
    /// What it was; null where it was quarantined.
    #[serde(rename = "type")]
    #[schema(value_type = Option<ResourceType>, required)]
    kind: Option<&'static str>,
    #[serde(flatten)]
    effect: Effect,
}

/// List the resources: those that are served, and those that are quarantined
#[utoipa::path(get, operation_id = "listResources", path = "/resources", tag = "resources", responses(
    (status = OK, description = "The resources", body = ResourcesAnswer), ListErrors))]
async fn list(State(admin): State<Arc<Admin>>) -> Result<Response, Error> {
    let snapshot = admin.catalog.snapshot();
    if !snapshot.serves_resources() {
        return Err(CatalogError::SwitchedOff { kind: "resource" }.into());
    }
    let resources = snapshot.defined_resources().iter();
    let resources = resources.map(|resource| ResourceSummary {
        name: resource.name.clone(),
        kind: resource.list,
        definition: resource.definition.clone(),
    });
    let body = ResourcesAnswer {
        resources: resources.collect(),
        quarantined: quarantined(&snapshot, "resource"),
    };
    Ok(answer(&snapshot.revision(), body))
}

/// Add a resource
#[utoipa::path(post, operation_id = "addResource", path = "/add-resource", tag = "resources", params(ChangeQuery, IfMatch),
    request_body(content = ResourceDefinition, description = "The resource's definition"),
    responses((status = OK, description = "It is served, or would be", body = ResourceAddedAnswer), BodyErrors))]
async fn add(
    State(admin): State<Arc<Admin>>,
    Parameters(ChangeQuery { dry_run }): Parameters<ChangeQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let resource = admin.json(request).await?;
    let change = Change::Add(Data::Resource, resource.clone());
    let made = admin.publish(&headers, dry_run, change).await?;
    let name = resource["name"].as_str().unwrap_or_default();
    Ok(made.answer(ResourceAddedAnswer {
        message: made.message(format!("🎉 Resource {name} added successfully")),
        effect: made.effect(),
        resource,
    }))
}

/// Give a resource another definition
#[utoipa::path(put, operation_id = "updateResource", path = "/update-resource/{name}", tag = "resources",
    params(("name" = String, Path, description = "The resource's name", example = "greet-guest"), ChangeQuery, IfMatch),
    request_body(content = ResourceDefinition, description = "The resource's definition"),
    responses((status = OK, description = "It is served, or would be", body = ResourceUpdatedAnswer), BodyErrors))]
async fn update(
    State(admin): State<Arc<Admin>>,
    Name(name): Name,
    Parameters(ChangeQuery { dry_run }): Parameters<ChangeQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let resource = admin.json(request).await?;
    let change = Change::Update(Data::Resource, name.clone(), resource.clone());
    let made = admin.publish(&headers, dry_run, change).await?;
    let (old_type, new_type) = made.publication.lists;
    Ok(made.answer(ResourceUpdatedAnswer {
        message: made.message(format!("🎉 Resource {name} updated successfully")),
        old_type,
        new_type,
        resource,
        effect: made.effect(),
    }))
}

/// Remove a resource
#[utoipa::path(delete, operation_id = "removeResource", path = "/remove-resource/{name}", tag = "resources",
    params(("name" = String, Path, description = "The resource's name", example = "greet-guest"), ChangeQuery, IfMatch),
    responses((status = OK, description = "It is removed, or would be", body = ResourceRemovedAnswer), ChangeErrors))]
async fn remove(
    State(admin): State<Arc<Admin>>,
    Name(name): Name,
    Parameters(ChangeQuery { dry_run }): Parameters<ChangeQuery>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let change = Change::Remove(Data::Resource, name.clone());
    let made = admin.publish(&headers, dry_run, change).await?;
    Ok(made.answer(ResourceRemovedAnswer {
        message: made.message(format!("🙂 Resource {name} removed successfully")),
        kind: made.publication.lists.0,
        effect: made.effect(),
    }))
}
