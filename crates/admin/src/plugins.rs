//! Plugins: listed, shown, published, updated, rolled back and removed.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wasimancer_catalog::{Change, Error as CatalogError, Profile, Quarantined, ServedPlugin};

use crate::answer::{
    BodyErrors, ChangeErrors, Effect, ListErrors, Made, ShowErrors, VersionAnswer, answer,
};
use crate::error::Error;
use crate::request::{Admin, ChangeQuery, IfMatch, Name, Parameters, blocking};
use crate::upload::UploadForm;

/// The routes of plugins.
pub(crate) fn routes() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(versions))
        .routes(routes!(upload))
        .routes(routes!(update))
        .routes(routes!(remove))
        .routes(routes!(roll_back))
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UploadQuery {
    /// A folder below the upload folder that the module is to lie in.
    #[param(nullable = false)]
    dir: Option<String>,
    /// Whether to validate and compile everything, and to change nothing.
    dry_run: bool,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RollbackQuery {
    /// The digest of a module or a `version`; without it, the version before the one that is served.
    #[param(nullable = false)]
    to: Option<String>,
    /// Whether to validate and compile everything, and to change nothing.
    dry_run: bool,
}

/// Whether a plugin is served.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PluginState {
    Served,
    Quarantined,
}

/// A plugin in the list.
#[derive(Serialize, ToSchema)]
struct PluginSummary {
    name: String,
    state: PluginState,
    /// As its definition writes it.
    #[schema(required)]
    version: Option<Value>,
    /// The digest of its module; null where it is quarantined.
    #[schema(required, pattern = "^sha256:[0-9a-f]{64}$")]
    digest: Option<String>,
    /// Size of its module, in bytes; null where it is quarantined.
    #[schema(required)]
    size: Option<u64>,
    /// The names of its tools.
    tools: Vec<String>,
    /// Everything that is wrong with it, where it is quarantined.
    problems: Vec<String>,
}

/// Everything about a plugin.
#[derive(Serialize, ToSchema)]
struct PluginAnswer {
    #[serde(flatten)]
    summary: PluginSummary,
    /// Its entry in the definition file; the values of `config` are hidden.
    definition: Value,
    /// The functions that its module exports.
    exports: Vec<String>,
    /// The versions that are kept, oldest first.
    versions: Vec<VersionAnswer>,
    /// What its calls have taken; null where it is quarantined.
    #[schema(required)]
    usage: Option<UsageAnswer>,
}

/// What the calls of a plugin have taken since it was loaded.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageAnswer {
    /// How many have ended.
    calls: u64,
    /// How long a call keeps a processor busy, on average; null before the first.
    #[schema(required)]
    mean_microseconds: Option<f64>,
    /// What its code is compiled for.
    profile: &'static str,
    /// The profile that suits its calls; null where there were too few to tell.
    #[schema(required)]
    suited_profile: Option<&'static str>,
}

impl UsageAnswer {
    fn of(plugin: &ServedPlugin) -> Self {
        let usage = plugin.usage();
        let mean = usage.mean();
        Self {
            calls: usage.calls(),
            mean_microseconds: mean.map(|mean| mean.as_secs_f64() * 1e6),
            profile: plugin.profile().name(),
            suited_profile: usage.suited().map(Profile::name),
        }
    }
}

/// The plugins in the order of their definition file, those that are quarantined last.
#[derive(Serialize, ToSchema)]
struct PluginsAnswer {
    plugins: Vec<PluginSummary>,
}

/// The versions that are kept, oldest first.
#[derive(Serialize, ToSchema)]
struct VersionsAnswer {
    versions: Vec<VersionAnswer>,
}

/// A module that was published.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UploadedAnswer {
    message: String,
    /// The module's place in the plugins folder, which begins with `./`.
    file_path: String,
    /// The definition as it was sent.
    #[schema(value_type = Object)]
    metadata: Value,
    #[serde(flatten)]
    effect: Effect,
}

/// A plugin that is removed.
#[derive(Serialize, ToSchema)]
struct PluginRemovedAnswer {
    message: String,
    #[serde(flatten)]
    effect: Effect,
}

/// A version that is served again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RolledBackAnswer {
    message: String,
    /// The version that its definition names.
    #[schema(required)]
    version: Option<String>,
    /// The digest of its module.
    #[schema(required, pattern = "^sha256:[0-9a-f]{64}$")]
    digest: Option<String>,
    /// The module's place in the plugins folder, which begins with `./`.
    file_path: String,
    #[serde(flatten)]
    effect: Effect,
}

impl PluginSummary {
    fn of_served(plugin: &ServedPlugin) -> Self {
        Self {
            name: plugin.name().to_owned(),
            state: PluginState::Served,
            version: plugin.definition().get("version").cloned(),
            digest: Some(format!("sha256:{}", plugin.digest())),
            size: Some(plugin.size_bytes()),
            tools: plugin.tools().map(str::to_owned).collect(),
            problems: Vec::new(),
        }
    }

    fn of_quarantined(plugin: &Quarantined) -> Self {
        Self {
            name: plugin.name.clone(),
            state: PluginState::Quarantined,
            version: plugin.definition().get("version").cloned(),
            digest: None,
            size: None,
            tools: Vec::new(),
            problems: plugin.reasons(),
        }
    }
}

/// List the plugins: those that are served, then those that are quarantined
#[utoipa::path(get, operation_id = "listPlugins", path = "/plugins", tag = "plugins", responses(
    (status = OK, description = "The plugins", body = PluginsAnswer), ListErrors))]
async fn list(State(admin): State<Arc<Admin>>) -> Result<Response, Error> {
    let snapshot = admin.catalog.snapshot();
    if !snapshot.serves_tools() {
        return Err(CatalogError::SwitchedOff { kind: "plugin" }.into());
    }
    let served = snapshot.plugins().iter();
    let served = served.map(|plugin| PluginSummary::of_served(plugin));
    let quarantined = snapshot.quarantined().iter();
    let quarantined = quarantined.filter(|entry| entry.kind == "plugin");
    let plugins = served.chain(quarantined.map(PluginSummary::of_quarantined));
    let plugins = plugins.collect();
    Ok(answer(&snapshot.revision(), PluginsAnswer { plugins }))
}

/// Show everything about a plugin
#[utoipa::path(get, operation_id = "showPlugin", path = "/plugins/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name", example = "roll-dice")),
    responses((status = OK, description = "The plugin", body = PluginAnswer), ShowErrors))]
async fn show(State(admin): State<Arc<Admin>>, Name(name): Name) -> Result<Response, Error> {
    let snapshot = admin.catalog.snapshot();
    let versions = kept_versions(&admin, name.clone()).await?;
    let mut quarantined = snapshot.quarantined().iter();
    let quarantined = quarantined.find(|entry| entry.kind == "plugin" && entry.name == name);
    let shown = match (snapshot.plugin(&name), quarantined) {
        (Some(plugin), _) => PluginAnswer {
            summary: PluginSummary::of_served(plugin),
            definition: plugin.definition(),
            exports: plugin.exports(),
            versions,
            usage: Some(UsageAnswer::of(plugin)),
        },
        (None, Some(plugin)) => PluginAnswer {
            summary: PluginSummary::of_quarantined(plugin),
            definition: plugin.definition(),
            exports: Vec::new(),
            versions,
            usage: None,
        },
        (None, None) => {
            let kind = "plugin";
            return Err(CatalogError::NotFound { kind, name }.into());
        }
    };
    Ok(answer(&snapshot.revision(), shown))
}

/// List the versions of a plugin that are kept, oldest first
#[utoipa::path(get, operation_id = "listVersions", path = "/plugins/{name}/versions", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name", example = "roll-dice")),
    responses((status = OK, description = "Its versions", body = VersionsAnswer), ShowErrors))]
async fn versions(State(admin): State<Arc<Admin>>, Name(name): Name) -> Result<Response, Error> {
    let versions = kept_versions(&admin, name).await?;
    let revision = admin.catalog.snapshot().revision();
    Ok(answer(&revision, VersionsAnswer { versions }))
}

async fn kept_versions(admin: &Admin, name: String) -> Result<Vec<VersionAnswer>, Error> {
    let catalog = Arc::clone(&admin.catalog);
    let (versions, served) = blocking(move || catalog.versions(&name)).await??;
    let versions = versions.iter();
    Ok(versions
        .map(|version| VersionAnswer::new(version, served))
        .collect())
}

/// Publish a new plugin
#[utoipa::path(post, operation_id = "uploadPlugin", path = "/upload-plugin", tag = "plugins", params(UploadQuery, IfMatch),
    request_body(content = UploadForm, content_type = "multipart/form-data",
        description = "The module and its definition"),
    responses((status = OK, description = "It is served, or would be", body = UploadedAnswer), BodyErrors))]
async fn upload(
    State(admin): State<Arc<Admin>>,
    Parameters(UploadQuery { dir, dry_run }): Parameters<UploadQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let upload = admin.receive(request, dir).await?;
    let metadata = upload.definition.clone();
    let change = Change::AddPlugin(upload);
    let made = admin.publish(&headers, dry_run, change).await?;
    Ok(uploaded(&made, metadata))
}

/// Give a plugin another module and definition
#[utoipa::path(put, operation_id = "updatePlugin", path = "/update-plugin", tag = "plugins", params(UploadQuery, IfMatch),
    request_body(content = UploadForm, content_type = "multipart/form-data",
        description = "The module and its definition"),
    responses((status = OK, description = "It is served, or would be", body = UploadedAnswer), BodyErrors))]
async fn update(
    State(admin): State<Arc<Admin>>,
    Parameters(UploadQuery { dir, dry_run }): Parameters<UploadQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let upload = admin.receive(request, dir).await?;
    let metadata = upload.definition.clone();
    let change = Change::UpdatePlugin(upload);
    let made = admin.publish(&headers, dry_run, change).await;
    Ok(uploaded(&made.map_err(Error::of_plugin_change)?, metadata))
}

fn uploaded(made: &Made, metadata: Value) -> Response {
    made.answer(UploadedAnswer {
        message: made.message("🎉 File uploaded successfully".to_owned()),
        file_path: made.publication.path.clone().unwrap_or_default(),
        metadata,
        effect: made.effect(),
    })
}

/// Remove a plugin with its tools and its versions
#[utoipa::path(delete, operation_id = "removePlugin", path = "/remove-plugin/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name", example = "roll-dice"), ChangeQuery, IfMatch),
    responses((status = OK, description = "It is removed, or would be", body = PluginRemovedAnswer), ChangeErrors))]
async fn remove(
    State(admin): State<Arc<Admin>>,
    Name(name): Name,
    Parameters(ChangeQuery { dry_run }): Parameters<ChangeQuery>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let change = Change::RemovePlugin(name);
    let made = admin.publish(&headers, dry_run, change).await;
    let made = made.map_err(Error::of_plugin_change)?;
    Ok(made.answer(PluginRemovedAnswer {
        message: made.message("🙂 Plugin removed successfully".to_owned()),
        effect: made.effect(),
    }))
}

/// Serve an earlier version of a plugin again
#[utoipa::path(post, operation_id = "rollBackPlugin", path = "/rollback-plugin/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name", example = "roll-dice"), RollbackQuery, IfMatch),
    responses((status = OK, description = "It is served again, or would be", body = RolledBackAnswer), ChangeErrors))]
async fn roll_back(
    State(admin): State<Arc<Admin>>,
    Name(name): Name,
    Parameters(RollbackQuery { to, dry_run }): Parameters<RollbackQuery>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let change = Change::RollBackPlugin {
        name: name.clone(),
        to,
    };
    let made = admin.publish(&headers, dry_run, change).await?;
    let publication = &made.publication;
    Ok(made.answer(RolledBackAnswer {
        message: made.message(format!("🎉 Plugin {name} rolled back successfully")),
        version: publication.version.clone(),
        digest: publication.digest.map(|digest| format!("sha256:{digest}")),
        file_path: publication.path.clone().unwrap_or_default(),
        effect: made.effect(),
    }))
}
