//! What is going on with one client whose requests belong together, those of a session or of a
//! standard input: requests that can be cancelled, and requests of ours that wait for an answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::error::Error;

/// Most requests of one client that are served at once.
const UNDER_WAY_MAX: usize = 1000;

/// What the client answers to a request of ours: the JSON of the result, or of the error.
pub(crate) type Answered = Result<Box<RawValue>, Box<RawValue>>;

/// What is going on with one client.
#[derive(Default)]
pub(crate) struct Conversation {
    /// The JSON of the ids of the requests that are served, and what is dropped to cancel each.
    under_way: Mutex<Vec<(String, oneshot::Sender<()>)>>,
    /// Requests of ours by their ids.
    asked: Mutex<HashMap<u64, oneshot::Sender<Answered>>>,
    last_id: AtomicU64,
}

impl Conversation {
    /// Begins to serve a request, which can be cancelled until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>, id: &str) -> Result<UnderWay, Error> {
        let (cancel, cancelled) = oneshot::channel();
        let mut under_way = lock(&self.under_way);
        if under_way.len() >= UNDER_WAY_MAX {
            return Err(Error::Busy(
                "as many requests of this client are under way as may be: wait for some of them",
            ));
        }
        under_way.push((id.to_owned(), cancel));
        Ok(UnderWay {
            conversation: self.clone(),
            cancelled,
        })
    }

    /// Whether no request is under way.
    pub(crate) fn is_silent(&self) -> bool {
        lock(&self.under_way).is_empty()
    }

    /// Cancels a request; nothing happens where it is not under way any more.
    pub(crate) fn cancel(&self, id: &str) {
        lock(&self.under_way).retain(|(known, _)| known != id);
    }

    /// Cancels everything, since the client is done.
    pub(crate) fn end(&self) {
        lock(&self.under_way).clear();
        lock(&self.asked).clear();
    }

    /// The id of a request of ours, and where its answer comes.
    pub(crate) fn ask(&self) -> Question<'_> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (answer, answered) = oneshot::channel();
        lock(&self.asked).insert(id, answer);
        Question {
            conversation: self,
            id,
            answered,
        }
    }

    /// Passes on the client's answer; one that nobody waits for is thrown away.
    pub(crate) fn answer(&self, id: &str, answered: Answered) {
        let waiting = id.parse().ok();
        let waiting = waiting.and_then(|id: u64| lock(&self.asked).remove(&id));
        if let Some(waiting) = waiting {
            // Whoever asked may have stopped waiting just now.
            let _ = waiting.send(answered);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request that is served.
pub(crate) struct UnderWay {
    conversation: Arc<Conversation>,
    cancelled: oneshot::Receiver<()>,
}

impl UnderWay {
    /// Serves it to its end, or until it is cancelled.
    pub(crate) async fn serve<T>(
        &mut self,
        serving: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            served = serving => served,
            _ = &mut self.cancelled => Err(Error::Cancelled),
        }
    }

    /// A stream that is its answer, until it is cancelled.
    pub(crate) fn stream<T: 'static>(
        mut self,
        stream: BoxStream<'static, T>,
    ) -> BoxStream<'static, T> {
        let cancelled = async move {
            // Nothing is ever sent: the sender is dropped.
            let _ = (&mut self.cancelled).await;
        };
        stream.take_until(Box::pin(cancelled)).boxed()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.cancelled.close();
        let mut under_way = lock(&self.conversation.under_way);
        under_way.retain(|(_, cancel)| !cancel.is_closed());
    }
}

/// A request of ours that waits for its answer.
pub(crate) struct Question<'c> {
    conversation: &'c Conversation,
    pub(crate) id: u64,
    answered: oneshot::Receiver<Answered>,
}

impl Question<'_> {
    /// Waits for the answer.
    pub(crate) async fn answer(mut self) -> Option<Answered> {
        (&mut self.answered).await.ok()
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        lock(&self.conversation.asked).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn a_request_is_cancelled_by_its_id() {
        let conversation = Arc::new(Conversation::default());
        let mut under_way = conversation.begin("7").unwrap();
        conversation.cancel("\"7\"");
        conversation.cancel("7");
        let ended = under_way.serve(pending::<Result<(), Error>>()).await;
        assert!(matches!(ended, Err(Error::Cancelled)));
        let mut again = conversation.begin("7").unwrap();
        // A client that gives two requests one id gets both answers.
        let same = conversation.begin("7").unwrap();
        assert!(again.serve(ready(Ok(()))).await.is_ok());
        drop((under_way, again, same));
        assert!(lock(&conversation.under_way).is_empty());
    }

    #[tokio::test]
    async fn requests_are_bounded() {
        let conversation = Arc::new(Conversation::default());
        let begin = |id: usize| conversation.begin(&id.to_string());
        let mut all: Vec<_> = (0..UNDER_WAY_MAX).map(|id| begin(id).unwrap()).collect();
        assert!(matches!(begin(UNDER_WAY_MAX), Err(Error::Busy(_))));
        all.pop();
        assert!(begin(UNDER_WAY_MAX).is_ok());
    }

    #[tokio::test]
    async fn an_answer_finds_its_question() {
        let conversation = Conversation::default();
        let (one, two) = (conversation.ask(), conversation.ask());
        conversation.answer("2", Ok(raw("{}")));
        conversation.answer("3", Ok(raw("{}")));
        conversation.answer("\"1\"", Ok(raw("{}")));
        assert!(matches!(two.answer().await, Some(Ok(_))));
        conversation.answer("1", Err(raw("{}")));
        assert!(matches!(one.answer().await, Some(Err(_))));
        drop(conversation.ask());
        assert!(lock(&conversation.asked).is_empty());
    }
}
