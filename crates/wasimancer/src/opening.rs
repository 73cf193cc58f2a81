//! The routes of a listener, from its first moment on: probes are answered at once, and everything else
//! when the server has loaded what it serves.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;

use crate::health;

type Route = TowerToHyperService<Router>;

/// What a connection may ask for.
#[derive(Clone, Copy)]
pub(crate) enum Share {
    /// Everything.
    All,
    /// What probes and operators ask, since its place is one of theirs.
    Reserved,
    /// What probes ask, since it was made after the server was told to stop.
    Stopping,
}

/// What a listener serves, share by share.
pub(crate) struct Served {
    all: Route,
    reserved: Route,
    stopping: Route,
}

impl Served {
    pub(crate) fn new(all: Router, reserved: Router, stopping: Router) -> Self {
        Self {
            all: Route::new(all),
            reserved: Route::new(reserved),
            stopping: Route::new(stopping),
        }
    }

    pub(crate) fn route(&self, share: Share) -> &Route {
        match share {
            Share::All => &self.all,
            Share::Reserved => &self.reserved,
            Share::Stopping => &self.stopping,
        }
    }
}

/// Gives a listener its routes, once.
pub(crate) struct Opening(watch::Sender<Option<Arc<Served>>>);

/// The routes of a listener.
#[derive(Clone)]
pub(crate) struct Routes {
    /// None before everything is loaded.
    loaded: watch::Receiver<Option<Arc<Served>>>,
    before: Arc<Served>,
}

impl Opening {
    /// Begins with what can be answered before anything is loaded.
    pub(crate) fn begin() -> (Self, Routes) {
        let (opening, loaded) = watch::channel(None);
        let before = |share| {
            let loaded = loaded.clone();
            Router::new().fallback(move |request| answer(loaded.clone(), share, request))
        };
        let [all, reserved, stopping] = [Share::All, Share::Reserved, Share::Stopping].map(before);
        let routes = Routes {
            before: Arc::new(Served::new(all, reserved, stopping)),
            loaded,
        };
        (Self(opening), routes)
    }

    /// Serves these routes from now on.
    pub(crate) fn open(&self, routes: Served) {
        self.0.send_replace(Some(Arc::new(routes)));
    }
}

impl Routes {
    /// Those of a new connection.
    pub(crate) fn now(&self) -> Arc<Served> {
        let loaded = self.loaded.borrow().clone();
        loaded.unwrap_or_else(|| self.before.clone())
    }
}

/// Answers a request on a connection that is older than the routes.
async fn answer(
    mut loaded: watch::Receiver<Option<Arc<Served>>>,
    share: Share,
    request: Request,
) -> Response {
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
            let Ok(answer) = routes.route(share).call(request).await;
            answer
        }
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
