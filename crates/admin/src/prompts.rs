//! Prompts: listed, added, updated and removed.

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
use crate::definition::PromptDefinition;
use crate::error::Error;
use crate::request::{Admin, ChangeQuery, IfMatch, Name, Parameters};

/// The routes of prompts.
pub(crate) fn routes() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(add))
        .routes(routes!(update))
        .routes(routes!(remove))
}

/// A prompt in the list.
#[derive(Serialize, ToSchema)]
struct PromptSummary {
    name: String,
    /// Its entry in the definition file.
    #[schema(value_type = Object)]
    definition: Value,
}

/// The prompts in the order of their definition file.
#[derive(Serialize, ToSchema)]
struct PromptsAnswer {
    prompts: Vec<PromptSummary>,
    quarantined: Vec<QuarantinedAnswer>,
}

/// A prompt that is served.
#[derive(Serialize, ToSchema)]
struct PromptAnswer {
    message: String,
    /// The prompt as it was sent.
    #[schema(value_type = Object)]
    prompt: Value,
    #[serde(flatten)]
    effect: Effect,
}

/// A prompt that is removed.
#[derive(Serialize, ToSchema)]
struct PromptRemovedAnswer {
    message: String,
    #[serde(flatten)]
    effect: Effect,
}

/// List the prompts: those that are served, and those that are quarantined
#[utoipa::path(get, operation_id = "listPrompts", path = "/prompts", tag = "prompts", responses(
    (status = OK, description = "The prompts", body = PromptsAnswer), ListErrors))]
async fn list(State(admin): State<Arc<Admin>>) -> Result<Response, Error> {
    let snapshot = admin.catalog.snapshot();
    if !snapshot.serves_prompts() {
        return Err(CatalogError::SwitchedOff { kind: "prompt" }.into());
    }
    let prompts = snapshot.defined_prompts().iter();
    let prompts = prompts.map(|prompt| PromptSummary {
        name: prompt.name.clone(),
        definition: prompt.definition.clone(),
    });
    let body = PromptsAnswer {
        prompts: prompts.collect(),
        quarantined: quarantined(&snapshot, "prompt"),
    };
    Ok(answer(&snapshot.revision(), body))
}

/// Add a prompt
#[utoipa::path(post, operation_id = "addPrompt", path = "/add-prompt", tag = "prompts", params(ChangeQuery, IfMatch),
    request_body(content = PromptDefinition, description = "The prompt's definition"),
    responses((status = OK, description = "It is served, or would be", body = PromptAnswer), BodyErrors))]
async fn add(
    State(admin): State<Arc<Admin>>,
    Parameters(ChangeQuery { dry_run }): Parameters<ChangeQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let prompt = admin.json(request).await?;
    let change = Change::Add(Data::Prompt, prompt.clone());
    let made = admin.publish(&headers, dry_run, change).await?;
    let name = prompt["name"].as_str().unwrap_or_default();
    Ok(made.answer(PromptAnswer {
        message: made.message(format!("🎉 Prompt {name} added successfully")),
        effect: made.effect(),
        prompt,
    }))
}

/// Give a prompt another definition
#[utoipa::path(put, operation_id = "updatePrompt", path = "/update-prompt/{name}", tag = "prompts",
    params(("name" = String, Path, description = "The prompt's name", example = "greet-guest"), ChangeQuery, IfMatch),
    request_body(content = PromptDefinition, description = "The prompt's definition"),
    responses((status = OK, description = "It is served, or would be", body = PromptAnswer), BodyErrors))]
async fn update(
    State(admin): State<Arc<Admin>>,
    Name(name): Name,
    Parameters(ChangeQuery { dry_run }): Parameters<ChangeQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let prompt = admin.json(request).await?;
    let change = Change::Update(Data::Prompt, name.clone(), prompt.clone());
    let made = admin.publish(&headers, dry_run, change).await?;
    Ok(made.answer(PromptAnswer {
        message: made.message(format!("🎉 Prompt {name} updated successfully")),
        effect: made.effect(),
        prompt,
    }))
}

/// Remove a prompt
#[utoipa::path(delete, operation_id = "removePrompt", path = "/remove-prompt/{name}", tag = "prompts",
    params(("name" = String, Path, description = "The prompt's name", example = "greet-guest"), ChangeQuery, IfMatch),
    responses((status = OK, description = "It is removed, or would be", body = PromptRemovedAnswer), ChangeErrors))]
async fn remove(
    State(admin): State<Arc<Admin>>,
    Name(name): Name,
    Parameters(ChangeQuery { dry_run }): Parameters<ChangeQuery>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let change = Change::Remove(Data::Prompt, name.clone());
    let made = admin.publish(&headers, dry_run, change).await?;
    Ok(made.answer(PromptRemovedAnswer {
        message: made.message(format!("🙂 Prompt {name} removed successfully")),
        effect: made.effect(),
    }))
}
