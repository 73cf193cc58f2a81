//! Shows what rmcp's client can do besides the session: `features discover|auto|initialize FEATURE…`.
//!
//! Wants `MCP_URL`, `MCP_TOKEN` and `MCP_ADMIN_TOKEN`; the server has the home conformance/ (see
//! scripts/clients.sh).

use std::time::Duration;
use std::{env, process};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities,
    ClientConfig, ClientRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationCapability, ErrorData, GetTaskParams, Implementation, JsonObject,
    ProgressNotificationParam, ProtocolVersion, ReadResourceRequestParams, ResourceContents,
    ResourceUpdatedNotificationParam, ServerNotification, SubscribeRequestParams,
    SubscriptionFilter, TASKS_EXTENSION_ID, TaskPayload, UpdateTaskParams,
};
use rmcp::service::{
    NotificationContext, PeerRequestOptions, RequestContext, RoleClient, RunningService,
    Subscription,
};
use rmcp::{ClientHandler, ClientServiceExt};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use wasimancer_rmcp_client::{equal, lifecycle, transport};

const WATCHED: &str = "test://watched-resource";

/// What the server tells.
#[derive(Debug, PartialEq)]
enum Told {
    Updated(String),
    PromptsChanged,
    Progress(f64, Option<f64>),
}

/// Passes on what is told, and gives a name to whoever asks for it.
struct Handler {
    capabilities: ClientCapabilities,
    told: UnboundedSender<Told>,
}

impl Handler {
    fn tell(&self, told: Told) {
        // Nobody waits any more when the client is about to end.
        let _ = self.told.send(told);
    }
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let info = Implementation::new("wasimancer-test", "1.0.0");
        ClientConfig::new(self.capabilities.clone(), info)
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        match request {
            ElicitRequestParams::FormElicitationParams { message, .. }
                if message == "What is your name?" =>
            {
                let content = json!({ "name": "Ada" });
                Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
            }
            _ => Ok(ElicitResult::new(ElicitationAction::Decline)),
        }
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.tell(Told::Updated(params.uri));
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.tell(Told::PromptsChanged);
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.tell(Told::Progress(params.progress, params.total));
    }
}

struct Player {
    mode: String,
    client: RunningService<RoleClient, Handler>,
    told: UnboundedReceiver<Told>,
}

impl Player {
    async fn connect(mode: &str, capabilities: ClientCapabilities) -> Result<Self> {
        let (tell, told) = unbounded_channel();
        let (lifecycle, revision) = lifecycle(mode)?;
        let handler = Handler {
            capabilities,
            told: tell,
        };
        let transport = transport(&env::var("MCP_TOKEN")?);
        let client = handler.serve_with_lifecycle(transport, lifecycle).await?;
        let peer = client.peer_info().context("the server said nothing")?;
        equal("revision", &peer.protocol_version, &revision)?;
        Ok(Self {
            mode: mode.to_owned(),
            client,
            told,
        })
    }

    fn revision(&self) -> Result<ProtocolVersion> {
        Ok(lifecycle(&self.mode)?.1)
    }

    async fn show(&mut self, feature: &str) -> Result<()> {
        match feature {
            "subscription" => self.subscription().await,
            "list_changed" => self.list_changed().await,
            "elicitation" => self.elicitation().await,
            "progress" => self.progress().await,
            "cancellation" => self.cancellation().await,
            "task" => self.task().await,
            _ => bail!("there is no feature {feature:?}"),
        }
    }

    async fn call(&self, tool: &'static str) -> Result<String> {
        let result = self.client.call_tool(CallToolRequestParams::new(tool));
        text(&result.await?)
    }

    /// Listens where the revision has the method for it.
    async fn listen(&self, filter: SubscriptionFilter) -> Result<Option<Subscription>> {
        Ok(if self.revision()? == ProtocolVersion::V_2026_07_28 {
            Some(self.client.listen(filter).await?)
        } else {
            None
        })
    }

    /// What is told next, by the subscription where there is one.
    async fn next(&mut self, subscription: &mut Option<Subscription>) -> Result<Told> {
        let Some(subscription) = subscription else {
            return self.told.recv().await.context("the client has ended");
        };
        match subscription.next().await?.context("it has ended")? {
            ServerNotification::ResourceUpdatedNotification(updated) => {
                Ok(Told::Updated(updated.params.uri))
            }
            ServerNotification::PromptListChangedNotification(_) => Ok(Told::PromptsChanged),
            other => bail!("the subscription tells of {other:?}"),
        }
    }

    #[expect(
        deprecated,
        reason = "older revisions know `resources/subscribe` alone"
    )]
    async fn subscription(&mut self) -> Result<()> {
        let filter = SubscriptionFilter::builder().resource_subscription(WATCHED);
        let mut subscription = self.listen(filter.build()).await?;
        if subscription.is_none() {
            let params = SubscribeRequestParams::new(WATCHED);
            self.client.subscribe(params).await?;
        }
        let text = format!("Written by the operator of {}", process::id());
        let contents = json!([{ "text": text }]);
        let definition =
            json!({ "name": "watched-resource", "uri": WATCHED, "contents": contents });
        operate(
            Method::PUT,
            "/update-resource/watched-resource",
            &definition,
        )
        .await?;
        let updated = Told::Updated(WATCHED.to_owned());
        equal("told", &self.next(&mut subscription).await?, &updated)?;
        let params = ReadResourceRequestParams::new(WATCHED);
        let read = self.client.read_resource(params).await?;
        let [ResourceContents::TextResourceContents { text: actual, .. }] = &read.contents[..]
        else {
            bail!("{WATCHED}: {:?}", read.contents)
        };
        equal(WATCHED, actual, &text)
    }

    async fn has_prompt(&self) -> Result<bool> {
        let prompts = self.client.list_all_prompts().await?;
        Ok(prompts.iter().any(|prompt| prompt.name == "added"))
    }

    /// A session's lists are watched once its stream is open, which the update of a resource has
    /// shown before.
    async fn list_changed(&mut self) -> Result<()> {
        let messages = json!([{ "role": "user", "text": "Comes and goes" }]);
        let definition = json!({ "name": "added", "arguments": [], "messages": messages });
        equal("has the prompt", &self.has_prompt().await?, &false)?;
        let filter = SubscriptionFilter::builder().prompts_list_changed();
        let mut subscription = self.listen(filter.build()).await?;
        operate(Method::POST, "/add-prompt", &definition).await?;
        equal(
            "told",
            &self.next(&mut subscription).await?,
            &Told::PromptsChanged,
        )?;
        equal("has the added prompt", &self.has_prompt().await?, &true)?;
        operate(Method::DELETE, "/remove-prompt/added", &Value::Null).await?;
        equal(
            "told",
            &self.next(&mut subscription).await?,
            &Told::PromptsChanged,
        )?;
        equal("has the removed prompt", &self.has_prompt().await?, &false)
    }

    async fn elicitation(&mut self) -> Result<()> {
        let greeting = self.call("test_input_required_result_elicitation").await?;
        equal("greeting", &greeting.as_str(), &"Hello, Ada!")
    }

    async fn progress(&mut self) -> Result<()> {
        self.call("test_tool_with_progress").await?;
        let mut seen = Vec::new();
        for _ in 0..3 {
            let Some(Told::Progress(progress, total)) = self.told.recv().await else {
                bail!("something else than progress was told")
            };
            seen.push((progress, total));
        }
        // The client may pass them on in another order.
        seen.sort_by(|one, other| one.0.total_cmp(&other.0));
        let total = Some(100.0);
        equal(
            "progress",
            &seen,
            &vec![(0.0, total), (50.0, total), (100.0, total)],
        )
    }

    async fn cancellation(&mut self) -> Result<()> {
        let params = CallToolRequestParams::new("slow_compute")
            .with_arguments(object(json!({ "seconds": 3000 })));
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let options = PeerRequestOptions::no_options();
        let slow = self
            .client
            .send_cancellable_request(request, options)
            .await?;
        let told = self.told.recv().await;
        equal("told", &told, &Some(Told::Progress(0.0, Some(1.0))))?;
        slow.cancel(None).await?;
        // The server has one place for calls, which is free again.
        self.call("test_simple_text").await?;
        Ok(())
    }

    /// Of a client of its own, since the server makes a task of any slow call of a client that has
    /// them.
    async fn task(&mut self) -> Result<()> {
        let mut capabilities = elicitation();
        let tasks = (TASKS_EXTENSION_ID.to_owned(), JsonObject::new());
        capabilities.extensions = Some([tasks].into());
        let client = Self::connect(&self.mode, capabilities).await?.client;
        let params = CallToolRequestParams::new("confirm_delete")
            .with_arguments(object(json!({ "filename": "a" })));
        let CallToolResponse::Task(created) = client.call_tool_once(params).await? else {
            bail!("the call is no task")
        };
        let id = created.task.task_id;
        let mut was_asked = false;
        let result = loop {
            let got = client.get_task(GetTaskParams::new(&id)).await?;
            match got.task.payload {
                TaskPayload::InputRequired { input_requests } => {
                    was_asked = true;
                    let answer = json!({ "action": "accept", "content": { "confirm": true } });
                    let keys = input_requests.into_keys();
                    let answers = keys.map(|key| (key, answer.clone())).collect();
                    client
                        .update_task(UpdateTaskParams::new(&id, answers))
                        .await?;
                }
                TaskPayload::Working => {
                    let interval = got.task.task.poll_interval_ms.unwrap_or(1000);
                    tokio::time::sleep(Duration::from_millis(interval)).await;
                }
                TaskPayload::Completed { result } => break result,
                other => bail!("the task is {other:?}"),
            }
        };
        ensure!(was_asked, "the task asked nothing");
        let result: CallToolResult = serde_json::from_value(Value::Object(result))?;
        equal("task", &text(&result)?.as_str(), &"The answer is true.")?;
        client.cancel().await?;
        Ok(())
    }
}

fn elicitation() -> ClientCapabilities {
    let mut capabilities = ClientCapabilities::default();
    capabilities.elicitation = Some(ElicitationCapability::new());
    capabilities
}

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().unwrap_or_default()
}

/// The text of a result that is no error.
fn text(result: &CallToolResult) -> Result<String> {
    ensure!(!result.is_error.unwrap_or(false), "{:?}", result.content);
    let text = result.content.first().and_then(|content| content.as_text());
    Ok(text.context("the result has no text")?.text.clone())
}

/// Changes what the server serves, as its operator does.
async fn operate(method: Method, path: &str, definition: &Value) -> Result<()> {
    let url = env::var("MCP_URL")?.replace("/mcp", path);
    let request = reqwest::Client::new().request(method, url);
    let request = request.bearer_auth(env::var("MCP_ADMIN_TOKEN")?);
    request.json(definition).send().await?.error_for_status()?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mode = arguments.next().context("no mode was given")?;
    let features: Vec<String> = arguments.collect();
    let mut player = Player::connect(&mode, elicitation()).await?;
    for feature in &features {
        player.show(feature).await.context(feature.clone())?;
    }
    println!("{}: {}", player.revision()?, features.join(" "));
    player.client.cancel().await?;
    Ok(())
}
