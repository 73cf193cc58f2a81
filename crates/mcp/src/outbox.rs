//! What is sent to a client before its request is answered: notifications and, in the older era,
//! requests of ours.

use futures_util::{Stream, stream};
use tokio::sync::mpsc;
use wasimancer_runtime::Budget;

use crate::message::Message;

/// Most messages that wait for a client to read them; further ones are left out. A plugin's log is
/// bounded below that for each call, so it is reports of progress that are left out.
const WAITING_MAX: usize = 1500;

/// Something that is sent while a request is served.
pub(crate) enum Sent {
    Message(Message),
    /// The connection may be closed, where the client can come back for the rest.
    Release,
}

/// Where a request puts what is sent. Clones are the same.
#[derive(Clone)]
pub(crate) struct Outbox(Option<Open>);

#[derive(Clone)]
struct Open {
    sender: mpsc::Sender<Sent>,
    budget: Budget,
}

/// Where it is taken out.
pub(crate) type Inbox = mpsc::Receiver<Sent>;

/// An outbox and where it leads. What waits in it is charged.
pub(crate) fn channel(budget: &Budget) -> (Outbox, Inbox) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let budget = budget.clone();
    (Outbox(Some(Open { sender, budget })), receiver)
}

impl Outbox {
    /// One for a client that takes nothing but the answer.
    pub(crate) fn closed() -> Self {
        Self(None)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_none()
    }

    /// Sends a message, unless too much waits already; whether it did.
    pub(crate) fn send(&self, message: String) -> bool {
        let Some(open) = &self.0 else {
            return false;
        };
        let charged = Message::charged(message, &open.budget);
        charged.is_ok_and(|message| open.sender.try_send(Sent::Message(message)).is_ok())
    }

    /// Lets the connection be closed.
    pub(crate) fn release(&self) {
        if let Some(open) = &self.0 {
            // Where too much waits, it is kept open.
            let _ = open.sender.try_send(Sent::Release);
        }
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
        let (outbox, inbox) = channel(&Budget::default());
        let answering = Box::pin(async move {
            for text in ["one", "two"] {
                assert!(outbox.send(text.to_owned()));
            }
            "answer"
        });
        let told = frames(answering, inbox).map(|frame| match frame {
            Frame::Sent(Sent::Message(message)) => message.as_str().to_owned(),
            Frame::Sent(Sent::Release) => "release".to_owned(),
            Frame::Answer(answer) => answer.to_owned(),
        });
        let told: Vec<String> = told.collect().await;
        assert_eq!(told, ["one", "two", "answer"]);
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_costs_little() {
        let budget = Budget::default();
        let (outbox, inbox) = channel(&budget);
        let push = |outbox: &Outbox| outbox.send("{}".to_owned());
        let sent = (0..2 * WAITING_MAX).filter(|_| push(&outbox));
        assert_eq!(sent.count(), WAITING_MAX);
        assert_eq!(budget.usage().used, 2 * WAITING_MAX);
        drop(inbox);
        assert!(!push(&outbox));
        assert!(!push(&Outbox::closed()));
        drop(outbox);
        assert_eq!(budget.usage().used, 0);
    }
}
