//! Definitions as the document describes them. Nothing is read into these types: a definition is
//! kept as it was sent, and the catalogue checks it more deeply than a schema can say.

#![expect(dead_code, reason = "the types describe bodies that are kept as JSON")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// A plugin, as `plugins.yml` holds it. Keys that are unknown here stay.
#[derive(ToSchema)]
#[schema(examples(json!({
    "name": "roll-dice",
    "version": "1.0.0",
    "functions": [{
        "function": "rollDice",
        "description": "rolls dice and answers their sum",
        "arguments": [{"name": "numFaces", "type": "number", "description": "how many faces each die has"}]
    }]
})))]
pub(crate) struct PluginDefinition {
    /// The plugin's name, which no other plugin has.
    #[schema(min_length = 1)]
    name: String,
    /// Any text; give each update a higher one.
    version: Option<Scalar>,
    /// What the plugin is for.
    description: Option<Scalar>,
    /// A place inside the plugins folder. The answer tells the one that the module really got.
    path: Option<String>,
    /// The digest of the module that is sent, which is refused if it has another.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    digest: Option<String>,
    /// The tools.
    #[schema(min_items = 1)]
    functions: Vec<FunctionDefinition>,
    limits: Option<Limits>,
    permissions: Option<Permissions>,
    /// What the plugin may look up. The values are never shown again.
    config: Option<BTreeMap<String, Scalar>>,
    /// The environment variables of the server that the plugin may look up; all whose names begin with
    /// `WASM_` where it is left out.
    variables: Option<Vec<String>>,
    preinit: Option<Preinit>,
    profile: Option<Profile>,
    instances: Option<Instances>,
    errors: Option<ErrorDetail>,
}

/// A tool: a function that the module exports. Of the fields that are unknown here, clients are shown those that
/// begin with `x-`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct FunctionDefinition {
    /// The export of the module.
    #[schema(min_length = 1)]
    function: String,
    /// The tool's name, which no other tool has; that of the export where it is left out.
    #[schema(min_length = 1)]
    display_name: Option<String>,
    /// A name for people.
    title: Option<String>,
    /// What the tool does.
    description: Option<String>,
    arguments: Option<Arguments>,
    /// A whole JSON Schema in the place of `arguments`.
    #[schema(value_type = Option<Object>)]
    input_schema: Option<Value>,
    /// Whether arguments that `arguments` does not name are handed to the plugin, or the JSON Schema that they
    /// must match; refused where it is left out.
    additional_properties: Option<AdditionalProperties>,
    additional_arguments: Option<AdditionalArguments>,
    input: Option<Input>,
    /// How the output is to be read, as a text where it is left out: `text`, `json`, `result`, `bytes` or a media
    /// type, such as `image/png`, whose bytes it is.
    #[schema(pattern = "^(text|json|result|bytes|[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+)$")]
    returns: Option<String>,
    /// What the bytes of `returns: bytes` are.
    #[schema(pattern = "^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$")]
    media_type: Option<String>,
    /// What the tool may ask of a client while it is called; needs `returns: result`.
    requires: Option<Vec<Capability>>,
    task: Option<Task>,
    /// The JSON Schema of what the tool returns, where that is no text.
    #[schema(value_type = Option<Object>)]
    output_schema: Option<Value>,
    annotations: Option<ToolAnnotations>,
    icons: Option<Vec<Icon>>,
}

/// What becomes of arguments that are not known: as the server's configuration says where it is left out.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum AdditionalArguments {
    Refuse,
    Ignore,
}

/// True, false or a JSON Schema.
#[derive(ToSchema)]
#[serde(untagged)]
enum AdditionalProperties {
    Any(bool),
    Schema(BTreeMap<String, Value>),
}

/// What the function gets: all arguments as one JSON object, the default, or one of them alone.
#[derive(ToSchema)]
#[serde(untagged)]
enum Input {
    Word(InputWord),
    Text(TextInput),
    Bytes(BytesInput),
}

/// All arguments as JSON, or the only one as a text or as the bytes that it gives in base64.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum InputWord {
    Json,
    Text,
    Bytes,
}

/// An argument that is handed over as a text.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TextInput {
    /// Its name.
    text: String,
}

/// An argument that is handed over as the bytes that it gives in base64.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct BytesInput {
    /// Its name.
    bytes: String,
}

/// Something that a client may or may not be able to do for a function.
#[derive(ToSchema)]
enum Capability {
    #[serde(rename = "elicitation")]
    Elicitation,
    #[serde(rename = "elicitation.url")]
    ElicitationUrl,
    #[serde(rename = "roots")]
    Roots,
    #[serde(rename = "sampling")]
    Sampling,
    #[serde(rename = "sampling.tools")]
    SamplingTools,
}

/// When a call of a tool becomes a task: at once with `always`, or as the policy says.
#[derive(ToSchema)]
#[serde(untagged)]
enum Task {
    Word(TaskWord),
    Policy(TaskPolicy),
}

/// The policy that says nothing else.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum TaskWord {
    Always,
}

/// When a call of a tool becomes a task, and what becomes of the task.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TaskPolicy {
    /// How long a call runs before it becomes one, such as `2s`; at once where it is left out.
    after: Option<String>,
    /// Whether the tool is for clients alone that know tasks.
    required: Option<bool>,
    /// How long the task is kept, such as `1h`.
    ttl: Option<String>,
}

/// Hints for clients.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct ToolAnnotations {
    title: Option<String>,
    read_only_hint: Option<bool>,
    destructive_hint: Option<bool>,
    idempotent_hint: Option<bool>,
    open_world_hint: Option<bool>,
}

/// An image for clients.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct Icon {
    /// The address of the image.
    #[schema(min_length = 1)]
    src: String,
    mime_type: Option<String>,
    sizes: Option<Vec<String>>,
    theme: Option<Theme>,
}

/// The background that an icon is made for.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Theme {
    Light,
    Dark,
}

/// What one call may use, where that is less than the server grants.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(rename_all = "camelCase")]
struct Limits {
    /// Wall clock, such as `5s`.
    #[schema(nullable = false)]
    timeout: Option<String>,
    /// Time for which a call keeps threads busy, such as `500ms`.
    #[schema(nullable = false)]
    cpu: Option<String>,
    /// Linear memory, Extism memory and variables together.
    #[schema(nullable = false)]
    memory: Option<Size>,
    #[schema(nullable = false)]
    input: Option<Size>,
    #[schema(nullable = false)]
    output: Option<Size>,
    #[schema(nullable = false)]
    http_response: Option<Size>,
    /// HTTP requests of one call.
    #[schema(nullable = false, minimum = 1)]
    http_requests: Option<u32>,
    /// Calls at once.
    #[schema(nullable = false, minimum = 1)]
    concurrency: Option<u32>,
}

/// What a plugin may do; without it, nothing outside its sandbox.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Permissions {
    /// The hosts that it may reach, such as `api.example.com` or `*.example.org`.
    network: Option<Vec<String>>,
}

/// Whether the start of the module runs once, when it is published, in place of at each call: with
/// `auto`, the default, where it calls no host function.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Preinit {
    Auto,
    Always,
    Never,
}

/// What the code is compiled for: many short calls, the default, or long computations.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Profile {
    Short,
    Compute,
}

/// Which instance a call gets: one of its own, the default, or one that earlier calls have used. The
/// bounds of those that are kept say `reuse` too.
#[derive(ToSchema)]
#[serde(untagged)]
enum Instances {
    Word(InstancesWord),
    Kept(KeptInstances),
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum InstancesWord {
    Fresh,
    Reuse,
}

/// How much callers are told of why a call failed: also what the plugin had written to its standard error,
/// the default, or one sentence.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ErrorDetail {
    Full,
    Terse,
}

/// What bounds the instances that are kept between calls.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct KeptInstances {
    /// How many are kept: 4 where it is left out.
    #[schema(minimum = 1)]
    count: Option<u32>,
    /// How old each may become, such as `10m`, which it is where it is left out.
    age: Option<String>,
    /// How many calls each may serve: 10000 where it is left out.
    #[schema(minimum = 1)]
    calls: Option<u32>,
}

/// Bytes: their number, or a text with a unit, such as `64MiB`.
#[derive(ToSchema)]
#[serde(untagged)]
enum Size {
    Text(String),
    Bytes(usize),
}

/// A text, or what is read as one.
#[derive(ToSchema)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(f64),
    Boolean(bool),
}

/// A list of arguments. An empty one may be written as an object, as some programs do.
#[derive(ToSchema)]
#[serde(untagged)]
enum Arguments {
    Some(Vec<Argument>),
    None(NoArguments),
}

/// No arguments.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

/// An argument. Every other keyword of JSON Schema passes into the schema of a tool.
#[derive(ToSchema)]
struct Argument {
    #[schema(min_length = 1)]
    name: String,
    /// `string`, `number`, `integer`, `boolean`, `object` or `array`; anything else means any type.
    r#type: Option<String>,
    description: Option<String>,
    /// True unless this says otherwise, or there is a default.
    required: Option<bool>,
    /// What stands for an argument that is left out.
    default: Option<Value>,
    /// The values that it may have.
    r#enum: Option<Vec<Value>>,
    complete: Option<Completing>,
}

/// The function that completes an argument of a prompt or of a resource template, in the place of
/// `enum`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Completing {
    /// The name of a plugin that is served.
    #[schema(min_length = 1)]
    plugin: String,
    /// The export of its module.
    #[schema(min_length = 1)]
    function: String,
}

/// A resource: dynamic where its `uri` is a template and it has `arguments`, else static. Fields
/// that are unknown here are shown to clients.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(json!({
    "name": "greet-guest",
    "uri": "greet-guest://{name}",
    "arguments": [{"name": "name", "type": "string"}],
    "contents": [{"text": "Hello ${name}, welcome!"}]
})))]
pub(crate) struct ResourceDefinition {
    /// The resource's name, which no other resource has.
    #[schema(min_length = 1)]
    name: String,
    /// Its URI, or a template of URIs (RFC 6570).
    #[schema(min_length = 1)]
    uri: String,
    /// A name for people.
    title: Option<String>,
    /// What the resource holds.
    description: Option<String>,
    mime_type: Option<String>,
    /// Its size, in bytes.
    size: Option<usize>,
    /// The variables of the template.
    arguments: Option<Arguments>,
    /// What it reads, or else `plugin` and `function`.
    #[schema(min_items = 1)]
    contents: Option<Vec<ResourceContent>>,
    /// The name of a plugin that is served, one of whose functions makes the contents.
    #[schema(min_length = 1)]
    plugin: Option<String>,
    /// The export of its module.
    #[schema(min_length = 1)]
    function: Option<String>,
    /// How the output is to be read, as a text where it is left out: `text`, `json`, `result`, `bytes` or a media
    /// type, such as `image/png`, whose bytes it is.
    #[schema(pattern = "^(text|json|result|bytes|[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+)$")]
    returns: Option<String>,
    /// What the bytes of `returns: bytes` are.
    #[schema(pattern = "^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$")]
    media_type: Option<String>,
    /// What the function may ask of a client; needs `returns: result`.
    requires: Option<Vec<Capability>>,
}

/// A content: a `text` or a `blob`, and any further fields, which travel as they are.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct ResourceContent {
    /// A text, in which `${variable}` stands for the value of a variable.
    text: Option<String>,
    /// Bytes, in base64.
    blob: Option<String>,
    mime_type: Option<String>,
}

/// A prompt: messages or a function that makes them, and their arguments. Fields that are unknown
/// here are shown to clients.
#[derive(ToSchema)]
#[schema(examples(json!({
    "name": "greet-guest",
    "description": "greet a guest",
    "arguments": [{"name": "name", "type": "string", "description": "the name of the guest"}],
    "messages": [{"role": "user", "text": "Welcome ${name} in one sentence."}]
})))]
pub(crate) struct PromptDefinition {
    /// The prompt's name, which no other prompt has.
    #[schema(min_length = 1)]
    name: String,
    /// A name for people.
    title: Option<String>,
    /// What the prompt is for.
    description: Option<String>,
    /// Its arguments; an empty list where it has none.
    arguments: Arguments,
    /// What it says, or else `plugin` and `function`.
    #[schema(min_items = 1)]
    messages: Option<Vec<PromptMessage>>,
    /// The name of a plugin that is served, one of whose functions makes the messages.
    #[schema(min_length = 1)]
    plugin: Option<String>,
    /// The export of its module.
    #[schema(min_length = 1)]
    function: Option<String>,
    /// How the output is to be read, as a text where it is left out: `text`, `json`, `result`, `bytes` or a media
    /// type, such as `image/png`, whose bytes it is.
    #[schema(pattern = "^(text|json|result|bytes|[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+)$")]
    returns: Option<String>,
    /// What the bytes of `returns: bytes` are.
    #[schema(pattern = "^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$")]
    #[schema(rename = "mediaType")]
    media_type: Option<String>,
    /// What the function may ask of a client; needs `returns: result`.
    requires: Option<Vec<Capability>>,
}

/// A message: a `text`, or a whole `content` block.
#[derive(ToSchema)]
struct PromptMessage {
    role: Role,
    /// A text, in which `${argument}` stands for the value of an argument.
    text: Option<String>,
    /// A text or a content block of MCP, with arguments in any of its texts.
    content: Option<Value>,
}

/// Who says a message.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}
