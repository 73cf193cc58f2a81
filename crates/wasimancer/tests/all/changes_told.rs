//! What subscribers of both eras are told when an operator publishes.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::sessions::in_session;
use crate::subscriptions::{ID_KEY, listen};
use crate::support::{
    Client, Events, Home, LEGACY, Launch, MODERN, Operator, PATIENCE, Sample, Server, TOKEN,
    guest_module,
};

/// An operator whose every change must be granted.
struct Publisher(Operator);

impl Publisher {
    fn of(server: &Server) -> Self {
        Self(Operator::of(server))
    }

    async fn add_resource(&self, name: &str) {
        let body = resource(name, "as it began");
        self.0.post("/add-resource", body).await.granted();
    }

    async fn update_resource(&self, name: &str, text: &str) {
        self.replace_resource(name, resource(name, text)).await;
    }

    async fn replace_resource(&self, name: &str, body: Value) {
        let path = format!("/update-resource/{name}");
        self.0.put(&path, body).await.granted();
    }

    async fn remove_resource(&self, name: &str) {
        let path = format!("/remove-resource/{name}");
        self.0.delete(&path).await.granted();
    }

    async fn add_prompt(&self, name: &str) {
        let messages = json!([{"role": "user", "text": "x"}]);
        let prompt = json!({"name": name, "arguments": [], "messages": messages});
        self.0.post("/add-prompt", prompt).await.granted();
    }

    async fn upload_plugin(&self, name: &str) {
        let function = json!({"displayName": name, "function": "echo"});
        self.0.upload("", &guest(name, &function)).await.granted();
    }
}

/// A plugin with one function of the guest module.
fn guest(name: &str, function: &Value) -> Sample {
    let sample = Sample::new(name, "1", "").with_module(guest_module());
    sample.with("/functions", json!([function]))
}

fn resource(name: &str, text: &str) -> Value {
    json!({"name": name, "uri": format!("info://{name}"), "contents": [{"text": text}]})
}

/// The template of the guest home, with another text.
fn greeting(text: &str) -> Value {
    json!({
        "name": "greet",
        "uri": "greet://{first}/{last}",
        "arguments": [{"name": "first", "type": "string"}, {"name": "last", "type": "string"}],
        "contents": [{"text": format!("{text} ${{first}} ${{last}}")}],
    })
}

fn start() -> (Server, Publisher) {
    let server = Launch::of(Home::guest()).start();
    let operator = Publisher::of(&server);
    (server, operator)
}

const LISTS: [&str; 3] = [
    "notifications/tools/list_changed",
    "notifications/resources/list_changed",
    "notifications/prompts/list_changed",
];
const UPDATED: &str = "notifications/resources/updated";

/// A notification of a subscription with the id 1, or of a session.
fn notification(is_modern: bool, method: &str, uri: Option<&str>) -> Value {
    let mut params = json!({});
    if is_modern {
        params["_meta"] = json!({ID_KEY: 1});
    }
    if let Some(uri) = uri {
        params["uri"] = json!(uri);
    }
    let mut notification = json!({"jsonrpc": "2.0", "method": method});
    if params != json!({}) {
        notification["params"] = params;
    }
    notification
}

/// A subscriber of either era, who expects exactly what it is told.
struct Subscriber {
    client: Client,
    events: Events,
    is_modern: bool,
}

impl Subscriber {
    /// To all lists and these resources.
    async fn to(server: &Server, revision: &'static str, uris: &[&str]) -> Self {
        if revision == MODERN {
            let wanted = json!({
                "toolsListChanged": true,
                "resourcesListChanged": true,
                "promptsListChanged": true,
                "resourceSubscriptions": uris,
            });
            return Self::to_some(server, wanted).await;
        }
        let client = in_session(server, revision).await;
        for uri in uris {
            let subscribed = client.ask("resources/subscribe", json!({ "uri": uri }));
            assert_eq!(subscribed.await.result(), &json!({}));
        }
        let events = client.stream().await;
        Self {
            client,
            events,
            is_modern: false,
        }
    }

    /// Of the stateless revision, with this filter.
    async fn to_some(server: &Server, notifications: Value) -> Self {
        let client = server.client(MODERN);
        let (events, _) = listen(&client, "1", notifications).await;
        Self {
            client,
            events,
            is_modern: true,
        }
    }

    async fn is_told(&mut self, method: &str) {
        let expected = notification(self.is_modern, method, None);
        assert_eq!(self.events.message().await, expected);
    }

    async fn is_told_of(&mut self, uri: &str) {
        let expected = notification(self.is_modern, UPDATED, Some(uri));
        assert_eq!(self.events.message().await, expected);
    }
}

/// Each message is the next one: nothing else was told in between.
#[tokio::test]
async fn only_who_watches_what_changed_is_told() {
    let [tools, resources, prompts] = LISTS;
    for revision in [MODERN, LEGACY[0], LEGACY[2]] {
        let (server, operator) = start();
        let mut all = Subscriber::to(&server, revision, &["test://plain"]).await;
        let mut of_prompts =
            Subscriber::to_some(&server, json!({"promptsListChanged": true})).await;
        operator.upload_plugin("another").await;
        all.is_told(tools).await;
        operator.add_resource("news").await;
        all.is_told(resources).await;
        // The lists do not show contents.
        operator.update_resource("news", "late").await;
        operator.add_prompt("another").await;
        all.is_told(prompts).await;
        of_prompts.is_told(prompts).await;
        operator.remove_resource("news").await;
        all.is_told(resources).await;
    }
}

/// Older clients see an output schema that is of no object inside one, and each change of it.
#[tokio::test]
async fn a_list_has_changed_where_its_reader_sees_it() {
    let [tools, _, prompts] = LISTS;
    let (server, operator) = start();
    let function = |output: &str| {
        let schema = json!({ "type": output });
        json!({"displayName": "list", "function": "value", "returns": "json", "outputSchema": schema})
    };
    let [list, text, object] = ["array", "string", "object"].map(function);
    let added = operator.0.upload("", &guest("another", &list)).await;
    added.granted();
    let mut modern = Subscriber::to(&server, MODERN, &[]).await;
    let mut legacy = Subscriber::to(&server, LEGACY[0], &[]).await;
    let update = async |function| {
        let updated = operator.0.update("", &guest("another", function)).await;
        updated.granted();
    };
    update(&text).await;
    modern.is_told(tools).await;
    legacy.is_told(tools).await;
    operator.add_prompt("another").await;
    modern.is_told(prompts).await;
    legacy.is_told(prompts).await;
    update(&object).await;
    modern.is_told(tools).await;
    legacy.is_told(tools).await;
}

#[tokio::test]
async fn resources_are_told_of_when_they_read_differently() {
    let resources = LISTS[1];
    for revision in [MODERN, LEGACY[0]] {
        let (server, operator) = start();
        operator.add_resource("one").await;
        operator.add_resource("other").await;
        // An equal URI is subscribed to under the name that was asked for.
        let uris = ["INFO://one", "greet://Ada/Lovelace"];
        let mut subscriber = Subscriber::to(&server, revision, &uris).await;
        operator.update_resource("one", "better").await;
        subscriber.is_told_of("INFO://one").await;
        operator.update_resource("other", "better").await;
        // One that matches a template changes with it.
        operator.replace_resource("greet", greeting("Hi")).await;
        subscriber.is_told(resources).await;
        subscriber.is_told_of("greet://Ada/Lovelace").await;
        operator.replace_resource("greet", greeting("Ho")).await;
        subscriber.is_told_of("greet://Ada/Lovelace").await;
        // To vanish is a change, and so is to appear.
        operator.remove_resource("one").await;
        subscriber.is_told(resources).await;
        subscriber.is_told_of("INFO://one").await;
        operator.add_resource("one").await;
        subscriber.is_told(resources).await;
        subscriber.is_told_of("INFO://one").await;
    }
}

/// What a function makes may differ when its plugin does, and is told of then.
#[tokio::test]
async fn resources_are_told_of_when_another_module_makes_them() {
    let [tools, resources, _] = LISTS;
    for revision in [MODERN, LEGACY[0]] {
        let (server, operator) = start();
        let speaker = |text: &str| Sample::new("speaker", "1", text);
        operator.0.upload("", &speaker("one")).await.granted();
        let made = json!({"name": "made", "uri": "made://{x}", "arguments": [], "plugin": "speaker", "function": "speak"});
        operator.0.post("/add-resource", made).await.granted();
        let uris = ["made://a", "test://plain"];
        let mut subscriber = Subscriber::to(&server, revision, &uris).await;
        operator.0.update("", &speaker("two")).await.granted();
        subscriber.is_told_of("made://a").await;
        // Another plugin, or another description of this one, is no change of it.
        operator.upload_plugin("another").await;
        subscriber.is_told(tools).await;
        let described = speaker("two").with("/description", json!("new"));
        operator.0.update("", &described).await.granted();
        operator.add_resource("news").await;
        subscriber.is_told(resources).await;
        operator.0.delete("/remove-plugin/speaker").await.granted();
        subscriber.is_told(tools).await;
        subscriber.is_told_of("made://a").await;
    }
}

#[tokio::test]
async fn two_subscriptions_of_a_client_are_told_apart() {
    let (server, operator) = start();
    let client = server.client(MODERN);
    let tools = json!({"toolsListChanged": true});
    let (mut one, _) = listen(&client, "\"one\"", tools).await;
    let prompts = json!({"promptsListChanged": true});
    let (mut two, _) = listen(&client, "2", prompts).await;
    operator.upload_plugin("another").await;
    operator.add_prompt("another").await;
    for (events, id, method) in [
        (&mut one, json!("one"), LISTS[0]),
        (&mut two, json!(2), LISTS[2]),
    ] {
        let params = json!({"_meta": {ID_KEY: id}});
        let expected = json!({"jsonrpc": "2.0", "method": method, "params": params});
        assert_eq!(events.message().await, expected);
    }
}

/// A stream that is open tells of what is subscribed to later, and no more of what is not.
#[tokio::test]
async fn subscriptions_of_a_session_can_change() {
    let (server, operator) = start();
    operator.add_resource("one").await;
    operator.add_resource("other").await;
    let mut subscriber = Subscriber::to(&server, LEGACY[0], &["info://one"]).await;
    let ask = async |client: &Client, method: &str, uri: &str| {
        client.ask(method, json!({ "uri": uri })).await.result();
    };
    ask(&subscriber.client, "resources/subscribe", "info://other").await;
    operator.update_resource("other", "better").await;
    subscriber.is_told_of("info://other").await;
    ask(&subscriber.client, "resources/unsubscribe", "info://one").await;
    operator.update_resource("one", "better").await;
    operator.update_resource("other", "best").await;
    subscriber.is_told_of("info://other").await;
}

#[tokio::test]
async fn a_session_is_told_what_changed_while_it_had_no_stream() {
    let (server, operator) = start();
    operator.add_resource("news").await;
    let mut subscriber = Subscriber::to(&server, LEGACY[0], &["info://news"]).await;
    operator.add_prompt("first").await;
    subscriber.is_told(LISTS[2]).await;
    // The newer stream begins where the one before it ended.
    let events = subscriber.client.stream().await;
    subscriber.events.ends().await;
    drop(events);
    operator.update_resource("news", "late").await;
    operator.add_prompt("second").await;
    subscriber.events = subscriber.client.stream().await;
    subscriber.is_told(LISTS[2]).await;
    subscriber.is_told_of("info://news").await;
}

/// Begins to listen to many long URIs of the template, reads the acknowledgement and then nothing.
fn begin_and_stop_reading(server: &Server) -> TcpStream {
    let uris: Vec<String> = (0..500)
        .map(|index| format!("greet://{index}/{}", "x".repeat(16_000)))
        .collect();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"_meta": meta, "notifications": {"resourceSubscriptions": uris}});
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params})
            .to_string();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
         mcp-protocol-version: {MODERN}\r\nmcp-method: subscriptions/listen\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut read = Vec::new();
    let mut chunk = vec![0; 1 << 20];
    while !read.ends_with(b"\n\n\r\n") {
        let length = stream.read(&mut chunk).unwrap();
        assert_ne!(length, 0, "{}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&chunk[..length]);
    }
    stream
}

#[tokio::test]
async fn a_subscriber_that_reads_nothing_holds_up_nobody() {
    let home = Home::guest();
    home.file(
        "wasimancer.toml",
        "body_limit = \"16MiB\"\nwrite_timeout = \"1s\"\nlog = \"wasimancer_mcp=debug,info\"\n",
    );
    let server = Launch::of(home).env("NO_COLOR", "1").start();
    let operator = Publisher::of(&server);
    let deaf = begin_and_stop_reading(&server);
    let mut subscriber = Subscriber::to(&server, MODERN, &["greet://Ada/Lovelace"]).await;
    server.logs("was opened open=2").await;
    // Eight megabytes a time do not fit into the buffers of a connection for long.
    let mut round = 0;
    while !server.stderr().contains("its client reads nothing") {
        round += 1;
        let text = greeting(&format!("{round}."));
        operator.replace_resource("greet", text).await;
        if round == 1 {
            subscriber.is_told(LISTS[1]).await;
        }
        subscriber.is_told_of("greet://Ada/Lovelace").await;
    }
    server.logs("has ended open=1").await;
    drop(deaf);
}
