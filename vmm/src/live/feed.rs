//! What the thread that empties the rings does for those who watch: it copies, and goes on.

use profile::file::{Names, Ring};
use profile::live::batch::{Batch, Part, Seat};
use profile::live::line::End;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Batches that may wait to be looked at. Beyond them the records are passed over; their numbers tell how many there were.
const BATCHES: usize = 64;
/// Names that may wait with them.
const NAMES: usize = 4096;

/// What is handed over.
pub enum News {
    Batch(Batch),
    End(End),
}

pub struct Feed {
    sender: SyncSender<News>,
    next: Batch,
}

/// A feed, another way to what it leads to, and that.
pub fn feed() -> (Feed, SyncSender<News>, Receiver<News>) {
    let (sender, receiver) = sync_channel(BATCHES);
    (Feed { sender: sender.clone(), next: Batch::default() }, sender, receiver)
}

impl Feed {
    /// Records of a ring, and how many were dropped behind them.
    pub fn records(&mut self, ring: Ring, records: &[u8], dropped: u64) {
        if !records.is_empty() {
            self.next.parts.push(Part::Records(ring, records.to_vec()));
        }
        if dropped > 0 {
            self.next.parts.push(Part::Dropped(ring, dropped));
        }
    }

    pub fn names(&mut self, names: &Names) {
        if self.next.names.len() < NAMES {
            self.next.names.push(names.clone());
        }
    }

    pub fn seats(&mut self, seats: Vec<Seat>) {
        self.next.seats = Some(seats);
    }

    /// All rings have been looked at, from `began` to `ended` by the guest's TSC.
    pub fn send(&mut self, began: u64, ended: u64) {
        let batch = Batch { began, ended, ..std::mem::take(&mut self.next) };
        if let Err(TrySendError::Full(News::Batch(batch))) = self.sender.try_send(News::Batch(batch)) {
            // Names are told once.
            self.next = Batch { names: batch.names, seats: batch.seats, ..Batch::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_waited_for_and_names_are_not_lost() {
        let (mut feed, _sender, receiver) = feed();
        for n in 0..BATCHES as u64 + 2 {
            feed.records(Ring::Cpu(0), &[0; 32], 0);
            feed.names(&Names { tsc: n, tasks: [(n as u16, "x".into())].into() });
            feed.send(n, n);
        }
        let batch = |news: News| match news {
            News::Batch(batch) => batch,
            News::End(_) => panic!("an end"),
        };
        let batches: Vec<_> = receiver.try_iter().map(batch).collect();
        assert_eq!(batches.len(), BATCHES);
        feed.records(Ring::Cpu(0), &[0; 32], 5);
        feed.send(100, 101);
        let last = batch(receiver.recv().unwrap());
        assert_eq!((last.began, last.ended, last.parts.len()), (100, 101, 2));
        let times: Vec<_> = last.names.iter().map(|names| names.tsc).collect();
        assert_eq!(times, [BATCHES as u64, BATCHES as u64 + 1]);
    }
}
