//! Resources: listed, added, updated and removed.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wasimancer_catalog::{Change, Data, Error as CatalogError};

use crate::answer::{ChangeErrors, Effect, QuarantinedAnswer, ReadErrors, answer, quarantined};
use crate::error::Error;
use crate::request::{Admin, ChangeQuery, IfMatch, json, name, query};

/// The routes of resources.
pub(crate) fn routes() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(add))
        .routes(routes!(update))
        .routes(routes!(remove))
}

/// A resource that is served.
#[derive(Serialize, ToSchema)]
struct ResourceSummary {
    name: String,
    /// `static` or `dynamic`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    /// Its entry in the definition file.
    definition: Value,
}

#[derive(Serialize, ToSchema)]
struct ResourcesAnswer {
    resources: Vec<ResourceSummary>,
    quarantined: Vec<QuarantinedAnswer>,
}

#[derive(Serialize, ToSchema)]
struct ResourceAddedAnswer {
    message: String,
    /// The resource as it was sent.
    resource: Value,
    #[serde(flatten)]
    effect: Effect,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ResourceUpdatedAnswer {
    message: String,
    /// `static` or `dynamic`: what it was.
    #[schema(value_type = Option<String>)]
    old_type: Option<&'static str>,
    /// What it is now.
    #[schema(value_type = Option<String>)]
    new_type: Option<&'static str>,
    /// The resource as it was sent.
    resource: Value,
    #[serde(flatten)]
    effect: Effect,
}

#[derive(Serialize, ToSchema)]
struct ResourceRemovedAnswer {
    message: String,
    /// `static` or `dynamic`: what it was.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    kind: Option<&'static str>,
    #[serde(flatten)]
    effect: Effect,
}

/// A resource: static, or dynamic where its `uri` is a template and it has `arguments`
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read as a definition")]
struct ResourceBody {
    name: String,
    uri: String,
    arguments: Option<Vec<Value>>,
    #[schema(min_items = 1)]
    contents: Vec<Value>,
}

/// List the resources: those that are served, and those that are quarantined
#[utoipa::path(get, operation_id = "listResources", path = "/resources", tag = "resources", responses(
    (status = OK, body = ResourcesAnswer), ReadErrors))]
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
    request_body = ResourceBody,
    responses((status = OK, body = ResourceAddedAnswer), ChangeErrors))]
async fn add(
    State(admin): State<Arc<Admin>>,
    parameters: Result<Query<ChangeQuery>, QueryRejection>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let ChangeQuery { dry_run } = query(parameters)?;
    let resource = json(request, admin.body_max_bytes).await?;
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
    params(("name" = String, Path, description = "The resource's name"), ChangeQuery, IfMatch),
    request_body = ResourceBody,
    responses((status = OK, body = ResourceUpdatedAnswer), ChangeErrors))]
async fn update(
    State(admin): State<Arc<Admin>>,
    path: Result<Path<String>, PathRejection>,
    parameters: Result<Query<ChangeQuery>, QueryRejection>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let ChangeQuery { dry_run } = query(parameters)?;
    let name = name(path)?;
    let resource = json(request, admin.body_max_bytes).await?;
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
    params(("name" = String, Path, description = "The resource's name"), ChangeQuery, IfMatch),
    responses((status = OK, body = ResourceRemovedAnswer), ChangeErrors))]
async fn remove(
    State(admin): State<Arc<Admin>>,
    path: Result<Path<String>, PathRejection>,
    parameters: Result<Query<ChangeQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let ChangeQuery { dry_run } = query(parameters)?;
    let name = name(path)?;
    let change = Change::Remove(Data::Resource, name.clone());
    let made = admin.publish(&headers, dry_run, change).await?;
    Ok(made.answer(ResourceRemovedAnswer {
        message: made.message(format!("🙂 Resource {name} removed successfully")),
        kind: made.publication.lists.0,
        effect: made.effect(),
    }))
}
