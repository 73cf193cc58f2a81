//! What is sent to a client before its request is answered: notifications and, in the older era,
//! requests of ours.

use futures_util::{Stream, stream};
use tokio::sync::mpsc;

/// Most messages that wait for a client to read them; further ones are left out. A plugin's log is
/// bounded below that for each call, so it is reports of progress that are left out.
const WAITING_MAX: usize = 1500;

/// Something that is sent while a request is served.
pub(crate) enum Sent {
    /// A JSON-RPC message.
    Message(String),
    /// The connection may be closed, where the client can come back for the rest.
    Release,
}

/// Where a request puts what is sent. Clones are the same.
#[derive(Clone)]
pub(crate) struct Outbox(Option<mpsc::Sender<Sent>>);

/// Where it is taken out.
pub(crate) type Inbox = mpsc::Receiver<Sent>;

/// An outbox and where it leads.
pub(crate) fn channel() -> (Outbox, Inbox) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (Outbox(Some(sender)), receiver)
}

impl Outbox {
    /// One for a client that takes nothing but the answer.
    pub(crate) fn closed() -> Self {
        Self(None)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_none()
    }

    /// Sends, unless too much waits already; whether it did.
    pub(crate) fn send(&self, sent: Sent) -> bool {
        let sender = self.0.as_ref();
        sender.is_some_and(|sender| sender.try_send(sent).is_ok())
    }
}

/// What a request is answered with, one piece after another.
pub(crate) enum Frame<R> {
    Sent(Sent),
    /// The answer, which comes last.
    Answer(R),
}

/// Serves a request as far as its frames are taken. Dropping the stream drops the request.
pub(crate) fn frames<R: Send + 'static>(
    answering: impl Future<Output = R> + Send + Unpin + 'static,
    inbox: Inbox,
) -> impl Stream<Item = Frame<R>> + Send + Unpin {
    enum Phase<F, R> {
        Answering(F),
        Answered(R),
        Ended,
    }
    let begin = (Phase::Answering(answering), inbox);
    Box::pin(stream::unfold(begin, |(mut phase, mut inbox)| async move {
        if let Phase::Answering(answering) = &mut phase {
            tokio::select! {
                biased;
                Some(sent) = inbox.recv() => return Some((Frame::Sent(sent), (phase, inbox))),
                answer = answering => phase = Phase::Answered(answer),
            }
        }
        let Phase::Answered(answer) = phase else {
            return None;
        };
        // What was sent before the answer is told before it.
        match inbox.try_recv() {
            Ok(sent) => Some((Frame::Sent(sent), (Phase::Answered(answer), inbox))),
            Err(_) => Some((Frame::Answer(answer), (Phase::Ended, inbox))),
        }
    }))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn what_is_sent_comes_before_the_answer() {
        let (outbox, inbox) = channel();
        let answering = Box::pin(async move {
            for text in ["one", "two"] {
                assert!(outbox.send(Sent::Message(text.to_owned())));
            }
            "answer"
        });
        let told = frames(answering, inbox).map(|frame| match frame {
            Frame::Sent(Sent::Message(text)) => text,
            Frame::Sent(Sent::Release) => "release".to_owned(),
            Frame::Answer(answer) => answer.to_owned(),
        });
        let told: Vec<String> = told.collect().await;
        assert_eq!(told, ["one", "two", "answer"]);
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_costs_little() {
        let (outbox, inbox) = channel();
        let sent = (0..2 * WAITING_MAX).filter(|_| outbox.send(Sent::Release));
        assert_eq!(sent.count(), WAITING_MAX);
        drop(inbox);
        assert!(!outbox.send(Sent::Release));
        assert!(!Outbox::closed().send(Sent::Release));
    }
}
