//! The stream of a session, and what it tells of (2025-11-25, basic/transports, "Listening for
//! Messages from the Server", and server/resources, "Subscriptions").

use std::sync::Arc;

use axum::response::Response;
use futures_util::stream;
use http::{HeaderMap, HeaderValue};

use crate::caller::Caller;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::listener::{Listener, Wake};
use crate::media_types::check_accepts_events;
use crate::message::Message;
use crate::params::Params;
use crate::revision::Era;
use crate::sessions::Session;
use crate::sse;
use crate::subscriptions::{Topic, Watched};

/// Opens the stream of the session with this id.
pub(crate) fn open(
    endpoint: &Arc<Endpoint>,
    caller: Caller,
    headers: &HeaderMap,
    session_id: Option<&str>,
) -> Result<Response, Error> {
    check_accepts_events(headers)?;
    let session_id = session_id.ok_or_else(|| {
        Error::InvalidRequest(
            "the Mcp-Session-Id header is missing: a stream belongs to the session that `initialize` began"
                .to_owned(),
        )
    })?;
    let turn = endpoint
        .sessions
        .open_stream(session_id, caller, &endpoint.bounds)?;
    let mut listener = Listener::new(endpoint, Era::Legacy);
    let watchlist = &turn.session.watchlist;
    watchlist.add_lists(&endpoint.catalog.snapshot(), Era::Legacy);
    // While the session had no stream, something may have changed.
    listener.look_at_once();
    let events = stream::unfold((turn, listener), |(mut turn, mut listener)| async move {
        let session = turn.session.clone();
        let wake = tokio::select! {
            biased;
            () = turn.ended() => return None,
            wake = listener.next(&session.watchlist) => wake,
        };
        // An open stream is use enough.
        session.touch();
        let event = match wake {
            Wake::Changed(watched) => sse::event(Message::small(watched.notification(None))),
            Wake::Silence => sse::COMMENT,
            Wake::End => return None,
        };
        Some((event, (turn, listener)))
    });
    Ok(sse::answer(events))
}

/// Goes on with a stream of the session after the last event that the client has of it.
pub(crate) fn resume(
    endpoint: &Endpoint,
    headers: &HeaderMap,
    session_id: Option<&str>,
    last_event_id: &HeaderValue,
) -> Result<Response, Error> {
    check_accepts_events(headers)?;
    let session = session_id.and_then(|id| endpoint.sessions.find(id));
    let session = session.ok_or(Error::UnknownSession)?;
    let last_event_id = last_event_id.to_str().unwrap_or_default();
    let found = session.going_on().replays.find(last_event_id);
    let (replay, last) = found.ok_or_else(|| {
        Error::InvalidRequest(format!(
            "the Last-Event-ID header is {last_event_id:?}, and no stream of the session that is still kept has such an event"
        ))
    })?;
    Ok(sse::answer(sse::kept_alive(replay.resume(last))))
}

/// `resources/subscribe`: the session's stream tells of changes from now on.
pub(crate) fn subscribe(
    endpoint: &Endpoint,
    caller: Caller,
    session: Option<&Arc<Session>>,
    params: &Params<'_>,
) -> Result<String, Error> {
    let uri = params.uri()?;
    let watch = || {
        let snapshot = endpoint.catalog.snapshot();
        if snapshot.resource(&uri).is_none() {
            let uri = uri.clone().into_owned();
            return Err(Error::ResourceNotFound { uri });
        }
        let topic = Topic::Resource(endpoint.bounds.hold_uri(caller, &uri, "uri")?);
        Ok(Watched::new(topic, &snapshot, Era::Legacy))
    };
    required(session)?.watchlist.add_uri(&uri, watch)?;
    Ok(String::new())
}

/// `resources/unsubscribe`: succeeds for what is not subscribed to as well.
pub(crate) fn unsubscribe(
    session: Option<&Arc<Session>>,
    params: &Params<'_>,
) -> Result<String, Error> {
    let uri = params.uri()?;
    required(session)?.watchlist.remove_uri(&uri);
    Ok(String::new())
}

fn required(session: Option<&Arc<Session>>) -> Result<&Session, Error> {
    let session = session.ok_or_else(|| {
        Error::InvalidRequest(
            "subscriptions belong to a session: repeat the Mcp-Session-Id that `initialize` was answered with"
                .to_owned(),
        )
    })?;
    Ok(session)
}
