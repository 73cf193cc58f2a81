//! `subscriptions/listen`: a request that is answered with a stream of notifications (2026-07-28,
//! basic/patterns/subscriptions).

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use serde::Deserialize;
use serde_json::{Map, Value};
use wasimancer_catalog::Snapshot;
use wasimancer_runtime::charge_json;

use crate::bounds::{Bounds, Held, Place};
use crate::caller::Caller;
use crate::capabilities::Capability;
use crate::client::Client;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::jsonrpc;
use crate::listener::{Listener, Wake};
use crate::media_types::check_accepts_events;
use crate::params::Params;
use crate::revision::{Era, SERVER_INFO_KEY};
use crate::subscriptions::{TEXTS_MAX, Topic, Watched, Watchlist, notification, take_turns};

/// The key under which `_meta` of every message names the subscription.
const SUBSCRIPTION_ID_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// Opens a subscription.
pub(super) async fn listen(
    exchange: &Exchange,
    client: &Client,
    id: jsonrpc::Id<'_>,
    params: &Params<'_>,
) -> Result<BoxStream<'static, Option<String>>, Error> {
    if let Some(headers) = exchange.arrival.headers() {
        check_accepts_events(headers)?;
    }
    let endpoint = &exchange.endpoint;
    let read = || {
        let _values = charge_json(params.text(), &endpoint.budget)?;
        Filter::parse(params)
    };
    let filter = exchange.apart(params.bytes(), read).await?;
    if !filter.task_ids.is_empty()
        && let Some(missing) = client.capabilities.missing([Capability::Tasks])
    {
        return Err(Error::MissingCapability { missing });
    }
    let caller = client.caller;
    let place = endpoint.bounds.place(caller)?;
    let id = endpoint.bounds.hold(caller, id.json())?;
    // It listens before the first look, so that no publication falls between the two.
    let mut listener = Listener::new(endpoint, Era::Modern);
    let snapshot = endpoint.catalog.snapshot();
    let mut watched = Vec::new();
    for topic in filter.topics(&snapshot, &endpoint.bounds, caller)? {
        take_turns(watched.len()).await;
        watched.push(Arc::new(Watched::new(topic, &snapshot, Era::Modern)));
    }
    if !filter.task_ids.is_empty() {
        listener.watch_tasks();
        // Of a task that is not the client's nothing is told.
        let tasks = filter.task_ids.iter();
        let tasks = tasks.filter_map(|id| endpoint.tasks.find(id, &client.caller).ok());
        watched.extend(tasks.map(|task| Arc::new(Watched::task(task))));
    }
    let acknowledgement = acknowledgement(&id, &watched);
    let subscription = Subscription {
        id,
        server_info: endpoint.server_info.clone(),
        watchlist: Watchlist::new(watched),
        listener,
        place,
    };
    let opening = stream::iter([Some(acknowledgement)]);
    let messages = stream::unfold(Some(subscription), |subscription| async move {
        let mut subscription = subscription?;
        let wake = tokio::select! {
            biased;
            // Others want the place, which is free with the subscription.
            () = subscription.place.gives_way() => Wake::End,
            wake = subscription.listener.next(&subscription.watchlist) => wake,
        };
        let message = match wake {
            Wake::Changed(watched) => Some(watched.notification(Some(&meta(&subscription.id)))),
            Wake::Silence => None,
            Wake::End => return Some((Some(subscription.closure()), None)),
        };
        Some((message, Some(subscription)))
    });
    Ok(opening.chain(messages).boxed())
}

/// An open subscription.
struct Subscription {
    /// The id of the request, as its JSON.
    id: Held,
    /// JSON of an `Implementation`.
    server_info: Arc<str>,
    watchlist: Watchlist,
    listener: Listener,
    place: Place,
}

impl Subscription {
    /// The response of the request, which says that the server has ended the subscription.
    fn closure(&self) -> String {
        let id = self.id.text();
        let server_info = &self.server_info;
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"resultType\":\"complete\",\"_meta\":{{\
             \"{SUBSCRIPTION_ID_KEY}\":{id},\"{SERVER_INFO_KEY}\":{server_info}}}}}}}"
        )
    }
}

fn meta(id: &Held) -> String {
    format!("{{\"{SUBSCRIPTION_ID_KEY}\":{}}}", id.text())
}

/// Says what of the filter is honoured.
fn acknowledgement(id: &Held, watched: &[Arc<Watched>]) -> String {
    let mut honoured = Map::new();
    let (mut uris, mut task_ids) = (Vec::new(), Vec::new());
    for watched in watched {
        let field = match watched.topic() {
            Topic::Tools => "toolsListChanged",
            Topic::Resources => "resourcesListChanged",
            Topic::Prompts => "promptsListChanged",
            Topic::Resource(uri) => {
                uris.push(Value::from(uri.text()));
                continue;
            }
            Topic::Task(task) => {
                task_ids.push(Value::from(task.id()));
                continue;
            }
        };
        honoured.insert(field.to_owned(), Value::Bool(true));
    }
    if !task_ids.is_empty() {
        honoured.insert("taskIds".to_owned(), Value::Array(task_ids));
    }
    if !uris.is_empty() {
        honoured.insert("resourceSubscriptions".to_owned(), Value::Array(uris));
    }
    let params = format!(
        "\"_meta\":{},\"notifications\":{}",
        meta(id),
        Value::Object(honoured)
    );
    notification("notifications/subscriptions/acknowledged", &params)
}

/// What a client wants to be told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Filter {
    tools: bool,
    resources: bool,
    prompts: bool,
    /// Each once.
    uris: Vec<String>,
    /// Each once (the tasks extension, "Task Status Notifications").
    task_ids: Vec<String>,
}

impl Filter {
    fn parse(params: &Params<'_>) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Wanted {
            #[serde(default)]
            notifications: Value,
        }
        let Wanted { notifications } = params.read()?;
        let notifications = match notifications {
            Value::Array(empty) if empty.is_empty() => Value::Object(Map::new()),
            other => other,
        };
        let Value::Object(fields) = notifications else {
            return Err(wrong(
                "notifications",
                &notifications,
                "an object, which may be empty",
            ));
        };
        Ok(Self {
            tools: boolean(&fields, "toolsListChanged")?,
            resources: boolean(&fields, "resourcesListChanged")?,
            prompts: boolean(&fields, "promptsListChanged")?,
            uris: texts(&fields, "resourceSubscriptions", "URIs")?,
            task_ids: texts(&fields, "taskIds", "ids of tasks")?,
        })
    }

    /// What can be told of it: a kind that is not served is left out.
    fn topics(
        &self,
        snapshot: &Snapshot,
        bounds: &Bounds,
        caller: Caller,
    ) -> Result<Vec<Topic>, Error> {
        let is_wanted = |topic: &Topic| match topic {
            Topic::Tools => self.tools,
            Topic::Resources => self.resources,
            Topic::Prompts => self.prompts,
            Topic::Resource(_) | Topic::Task(_) => false,
        };
        let mut topics: Vec<Topic> = Topic::lists(snapshot).filter(is_wanted).collect();
        if snapshot.serves_resources() {
            for uri in &self.uris {
                let field = "notifications.resourceSubscriptions";
                let uri = bounds.hold_uri(caller, uri, field)?;
                topics.push(Topic::Resource(uri));
            }
        }
        Ok(topics)
    }
}

fn boolean(fields: &Map<String, Value>, name: &str) -> Result<bool, Error> {
    match fields.get(name) {
        None => Ok(false),
        Some(Value::Bool(wanted)) => Ok(*wanted),
        Some(other) => Err(wrong(
            &format!("notifications.{name}"),
            other,
            "true or false",
        )),
    }
}

/// A list of texts, each once.
fn texts(fields: &Map<String, Value>, name: &str, what: &str) -> Result<Vec<String>, Error> {
    let field = format!("notifications.{name}");
    let given = match fields.get(name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(given)) => given,
        Some(other) => return Err(wrong(&field, other, &format!("a list of {what}"))),
    };
    let mut known = HashSet::new();
    let mut texts = Vec::new();
    for (index, text) in given.iter().enumerate() {
        let Value::String(text) = text else {
            return Err(wrong(&format!("{field}[{index}]"), text, "a string"));
        };
        if known.insert(text) {
            texts.push(text.clone());
        }
    }
    if texts.len() > TEXTS_MAX {
        return Err(Error::InvalidParams(format!(
            "`{field}` holds {} {what} and may hold {TEXTS_MAX}: open further subscriptions for the rest",
            texts.len()
        )));
    }
    Ok(texts)
}

fn wrong(field: &str, value: &Value, wanted: &str) -> Error {
    Error::InvalidParams(format!("`{field}` is {value} and must be {wanted}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(notifications: &Value) -> Result<Filter, String> {
        let params = json!({ "notifications": notifications }).to_string();
        let raw = serde_json::from_str(&params).unwrap();
        let params = Params::of(Some(raw)).unwrap();
        Filter::parse(&params).map_err(|error| error.to_string())
    }

    #[test]
    fn filters_say_what_is_wanted() {
        assert_eq!(parse(&json!({})), Ok(Filter::default()));
        assert_eq!(parse(&json!([])), Ok(Filter::default()));
        assert_eq!(
            parse(&json!({
                "toolsListChanged": true,
                "promptsListChanged": false,
                "resourceSubscriptions": ["a://b", "a://c", "a://b"],
                "unknown": "is ignored",
            })),
            Ok(Filter {
                tools: true,
                uris: vec!["a://b".to_owned(), "a://c".to_owned()],
                ..Filter::default()
            })
        );
    }

    #[test]
    fn errors_name_the_field() {
        for (wrong, field) in [
            (json!(null), "`notifications` is null"),
            (json!([1]), "`notifications` is [1]"),
            (
                json!({"toolsListChanged": "yes"}),
                "`notifications.toolsListChanged` is \"yes\"",
            ),
            (
                json!({"resourcesListChanged": null}),
                "`notifications.resourcesListChanged` is null",
            ),
            (
                json!({"promptsListChanged": 1}),
                "`notifications.promptsListChanged` is 1",
            ),
            (
                json!({"resourceSubscriptions": "a://b"}),
                "`notifications.resourceSubscriptions` is \"a://b\"",
            ),
            (
                json!({"resourceSubscriptions": ["a://b", 5]}),
                "`notifications.resourceSubscriptions[1]` is 5",
            ),
        ] {
            let error = parse(&wrong).unwrap_err();
            assert!(error.contains(field), "{error}");
        }
        assert!(
            Filter::parse(&Params::default())
                .unwrap_err()
                .to_string()
                .contains("`notifications` is null")
        );
        let many: Vec<String> = (0..=TEXTS_MAX)
            .map(|index| format!("a://{index}"))
            .collect();
        let error = parse(&json!({ "resourceSubscriptions": many })).unwrap_err();
        assert!(error.contains("holds 501 URIs and may hold 500"), "{error}");
    }
}
