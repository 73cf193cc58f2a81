//! Wrong tokens: answered slowly, address by address, and told to the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wasimancer_mcp::ClientAddress;

/// How many wrong tokens of an address are answered at once: as many as a client tries that was
/// configured wrongly.
const AT_ONCE: u32 = 10;
/// How often one is answered after them.
const PAUSE: Duration = Duration::from_secs(1);
/// Most answers to an address that are held back at a time. Whoever asks meanwhile is told so at once.
const HELD_BACK_MAX: u32 = 16;
/// Most addresses that are told apart. The others share what one may.
const ADDRESSES_MAX: usize = 4096;
/// How often it is looked for addresses that need no longer be known.
const FORGOTTEN_EVERY: Duration = Duration::from_secs(1);
/// How often the log is told of an address, and of how many.
const TOLD_EVERY: Duration = Duration::from_mins(1);
const TOLD_MAX: u32 = 20;

/// When a wrong token is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    AtOnce,
    HeldBack(HeldBack),
    /// Not at all: as many answers are held back as may be.
    Refused {
        retry_after: Duration,
    },
}

/// An extension of an answer: when it may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldBack(pub(crate) Instant);

/// Who sent wrong tokens of late.
#[derive(Debug, Default)]
pub(crate) struct WrongTokens(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    addresses: HashMap<IpAddr, Guesses>,
    /// Those that find no place in the table, and requests without an address.
    others: Guesses,
    forgotten: Option<Instant>,
    told: Told,
}

/// What an address has guessed.
#[derive(Debug, Default)]
struct Guesses {
    /// When all of its guesses would be answered, were each answered after a pause. None: never.
    settled: Option<Instant>,
    /// When the log was told, and what it was not told since.
    told: Option<Instant>,
    untold: u64,
}

/// How many lines the log was told since when.
#[derive(Debug, Default)]
struct Told {
    since: Option<Instant>,
    lines: u32,
}

/// What the log is told.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    guesses: u64,
    /// Whether no other address is told of for a while.
    is_last: bool,
}

impl WrongTokens {
    /// Counts a wrong token, tells the log, and says when to answer.
    ///
    /// # Arguments
    /// `whose` is whose token it should have been: `clients` or `operators`.
    pub(crate) fn count(&self, address: Option<ClientAddress>, whose: &'static str) -> Pace {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (pace, line) = table.count(address.map(ClientAddress::network), Instant::now());
        drop(table);
        if let Some(Line { guesses, is_last }) = line {
            let address = address.map(|address| address.to_string());
            tracing::warn!(
                address = address.unwrap_or_default(),
                guesses,
                "a wrong token of {whose}: its answers are slowed down after the first {AT_ONCE}"
            );
            if is_last {
                tracing::warn!("wrong tokens of other addresses are not told for a minute");
            }
        }
        pace
    }
}

impl Table {
    fn count(&mut self, network: Option<IpAddr>, now: Instant) -> (Pace, Option<Line>) {
        let guesses = match network {
            Some(network) if self.knows(network, now) => self.addresses.entry(network).or_default(),
            _ => &mut self.others,
        };
        let pace = guesses.pace(now);
        guesses.untold += 1;
        let is_due = guesses.told.is_none_or(|told| now - told >= TOLD_EVERY);
        let line = is_due.then(|| self.told.line(now)).flatten();
        let line = line.map(|is_last| {
            guesses.told = Some(now);
            Line {
                guesses: std::mem::take(&mut guesses.untold),
                is_last,
            }
        });
        (pace, line)
    }

    /// Whether an address has an entry, or may have one.
    fn knows(&mut self, network: IpAddr, now: Instant) -> bool {
        if self.addresses.len() < ADDRESSES_MAX || self.addresses.contains_key(&network) {
            return true;
        }
        if self
            .forgotten
            .is_none_or(|forgotten| now - forgotten >= FORGOTTEN_EVERY)
        {
            self.forgotten = Some(now);
            self.addresses
                .retain(|_, guesses| guesses.settled.is_some_and(|settled| settled > now));
        }
        self.addresses.len() < ADDRESSES_MAX
    }
}

impl Guesses {
    /// When the next one is answered: a bucket of `AT_ONCE` that fills by one a `PAUSE`.
    fn pace(&mut self, now: Instant) -> Pace {
        let settled = self.settled.map_or(now, |settled| settled.max(now));
        let answered = (settled + PAUSE)
            .checked_sub(PAUSE * AT_ONCE)
            .map_or(now, |answered| answered.max(now));
        if answered - now > PAUSE * HELD_BACK_MAX {
            return Pace::Refused {
                retry_after: answered - now,
            };
        }
        self.settled = Some(settled + PAUSE);
        if answered == now {
            Pace::AtOnce
        } else {
            Pace::HeldBack(HeldBack(answered))
        }
    }
}

impl Told {
    /// Whether there is a line left in this minute, and whether it is the last one.
    fn line(&mut self, now: Instant) -> Option<bool> {
        if self.since.is_none_or(|since| now - since >= TOLD_EVERY) {
            *self = Self {
                since: Some(now),
                lines: 0,
            };
        }
        (self.lines < TOLD_MAX).then(|| {
            self.lines += 1;
            self.lines == TOLD_MAX
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn ten_are_answered_at_once_and_then_one_a_second() {
        let mut table = Table::default();
        let begin = Instant::now();
        let mut count = |address, after| {
            let now = begin + after;
            match table.count(Some(network(address)), now).0 {
                Pace::AtOnce => Ok(Duration::ZERO),
                Pace::HeldBack(HeldBack(until)) => Ok(until - now),
                Pace::Refused { retry_after } => Err(retry_after),
            }
        };
        let seconds = Duration::from_secs;
        for _ in 0..AT_ONCE {
            assert_eq!(count(1, seconds(0)), Ok(seconds(0)));
        }
        for late in 1..=HELD_BACK_MAX {
            assert_eq!(count(1, seconds(0)), Ok(seconds(late.into())));
        }
        let beyond = seconds(u64::from(HELD_BACK_MAX) + 1);
        assert_eq!(count(1, seconds(0)), Err(beyond));
        // Asking again makes it no longer, and no other address pays for it.
        assert_eq!(count(1, seconds(0)), Err(beyond));
        assert_eq!(count(2, seconds(0)), Ok(seconds(0)));
        assert_eq!(count(1, seconds(1)), Ok(seconds(16)));
        // Much later all is as in the beginning.
        let later = seconds(3600);
        assert_eq!(count(1, later), Ok(seconds(0)));
    }

    #[test]
    fn the_log_is_told_of_each_address_once_a_minute() {
        let mut table = Table::default();
        let begin = Instant::now();
        let mut told = |address, after| {
            let line = table
                .count(Some(network(address)), begin + Duration::from_secs(after))
                .1;
            line.map(|line| (line.guesses, line.is_last))
        };
        assert_eq!(told(1, 0), Some((1, false)));
        assert_eq!(told(1, 1), None);
        assert_eq!(told(1, 59), None);
        assert_eq!(told(1, 60), Some((3, false)));
        for address in 2..TOLD_MAX {
            assert_eq!(told(address, 60), Some((1, false)));
        }
        assert_eq!(told(100, 60), Some((1, true)));
        assert_eq!(told(101, 60), None);
        assert_eq!(told(101, 120), Some((2, false)));
    }

    #[test]
    fn the_table_of_addresses_is_bounded() {
        let mut table = Table::default();
        let begin = Instant::now();
        let many = u32::try_from(ADDRESSES_MAX).expect("it is small");
        for address in 0..many + AT_ONCE {
            assert_eq!(table.count(Some(network(address)), begin).0, Pace::AtOnce);
        }
        // Whoever is not in it shares what one may.
        let pace = table.count(Some(network(many + AT_ONCE)), begin).0;
        assert!(matches!(pace, Pace::HeldBack(_)), "{pace:?}");
        assert_eq!(table.count(Some(network(0)), begin).0, Pace::AtOnce);
        assert_eq!(table.addresses.len(), ADDRESSES_MAX);
        let later = begin + Duration::from_mins(1);
        assert_eq!(table.count(Some(network(u32::MAX)), later).0, Pace::AtOnce);
        assert_eq!(table.addresses.len(), 1);
    }
}
