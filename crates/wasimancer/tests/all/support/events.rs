//! Streams of server-sent events, read as they come.

use reqwest::Response;
use serde_json::Value;

use super::spec;

/// An open stream, closed when it is dropped.
pub(crate) struct Events {
    response: Response,
    /// What has come and is yet to be read, up to any byte.
    unread: Vec<u8>,
    /// That of the messages, each of which must be what it allows.
    revision: String,
    /// The body that the stream answers.
    asked: String,
    last_id: Option<String>,
}

impl Events {
    /// Checks what every stream must have.
    #[track_caller]
    pub(super) fn of(response: Response, revision: String, asked: impl Into<String>) -> Self {
        assert_eq!(response.status(), 200, "{response:?}");
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers()[name], value, "{name}");
        }
        Self {
            response,
            unread: Vec::new(),
            revision,
            asked: asked.into(),
            last_id: None,
        }
    }

    /// The next message; none at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let block = self.block().await?;
            if let Some(id) = field_of(&block, "id") {
                self.last_id = Some(id.to_owned());
            }
            if let Some(message) = message_of(&block) {
                return Some(message);
            }
        }
    }

    /// The id of the last event that was read.
    pub(crate) fn last_id(&self) -> &str {
        self.last_id.as_deref().expect("the events have ids")
    }

    /// Everything until the end.
    pub(crate) async fn rest(mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    /// The next message, which must come.
    pub(crate) async fn message(&mut self) -> Value {
        self.next().await.expect("the stream goes on")
    }

    /// Waits for the end, before which nothing may come.
    pub(crate) async fn ends(&mut self) {
        assert_eq!(self.next().await, None);
    }

    /// The next event or comment as it was sent, without the line breaks that end it.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            let end = self.unread.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let block: Vec<u8> = self.unread.drain(..end + 2).take(end).collect();
                let block = String::from_utf8(block).expect("events are UTF-8");
                if let Some(message) = message_of(&block) {
                    spec::check(&self.revision, self.asked.as_bytes(), &message);
                }
                return Some(block);
            }
            match self.response.chunk().await.expect("the stream ends well") {
                Some(chunk) => self.unread.extend_from_slice(&chunk),
                None => {
                    assert!(self.unread.is_empty(), "the stream ends between events");
                    return None;
                }
            }
        }
    }
}

/// The message of an event; a comment has none, nor has an event that only says where it stands.
fn message_of(block: &str) -> Option<Value> {
    let known = |line: &str| {
        let fields = ["id: ", "retry: ", "data: "];
        line == ":" || fields.iter().any(|field| line.starts_with(field))
    };
    assert!(block.lines().all(known), "{block}");
    let data = field_of(block, "data").filter(|data| !data.is_empty())?;
    Some(serde_json::from_str(data).expect("the data is JSON"))
}

fn field_of<'b>(block: &'b str, name: &str) -> Option<&'b str> {
    let mut lines = block.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
