//! The routes of a listener, from its first moment on: probes are answered at once, and everything else
//! when the server has loaded what it serves.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;

use crate::health;

/// Gives a listener its routes, once.
pub(crate) struct Opening(watch::Sender<Option<Router>>);

/// The routes of a listener.
#[derive(Clone)]
pub(crate) struct Routes {
    /// None before everything is loaded.
    loaded: watch::Receiver<Option<Router>>,
    before: Router,
}

impl Opening {
    /// Begins with what can be answered before anything is loaded.
    pub(crate) fn begin() -> (Self, Routes) {
        let (opening, loaded) = watch::channel(None);
        let waiting = loaded.clone();
        let before = Router::new().fallback(move |request| answer(waiting.clone(), request));
        (Self(opening), Routes { loaded, before })
    }

    /// Serves these routes from now on.
    pub(crate) fn open(&self, routes: Router) {
        self.0.send_replace(Some(routes));
    }
}

impl Routes {
    /// Those of a new connection.
    pub(crate) fn now(&self) -> Router {
        let loaded = self.loaded.borrow().clone();
        loaded.unwrap_or_else(|| self.before.clone())
    }
}

/// Answers a request on a connection that is older than the routes.
async fn answer(mut loaded: watch::Receiver<Option<Router>>, request: Request) -> Response {
    if loaded.borrow().is_none() {
        match request.uri().path() {
            health::HEALTHZ => return health::alive().into_response(),
            health::READYZ => return health::loading(),
            _ => {}
        }
    }
    let routes = match loaded.wait_for(Option::is_some).await {
        Ok(routes) => routes.clone(),
        // The server ends before it has begun.
        Err(_) => None,
    };
    match routes {
        Some(routes) => {
            let Ok(answer) = TowerToHyperService::new(routes).call(request).await;
            answer
        }
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
