//! Which of two threads that send each other messages is the client.
//!
//! In the records a call and an answer with the wait for the next call look alike: a message one way, then one the other way. The server says whom it has received from, and
//! the client that it asks a driver, if they record. Else the one who has spoken first is the client, since a server waits until it is spoken to; but who has spoken
//! first is known only if no records are missing from the beginning on.

use std::collections::HashMap;

/// Pairs that are known. Beyond them nobody is a client.
const PAIRS: usize = 4096;

#[derive(Default)]
pub struct Roles {
    /// By the lower and the higher identifier: the client's, and whether the server has said so.
    clients: HashMap<(u64, u64), (u64, bool)>,
}

impl Roles {
    /// `from` has sent `to` a message.
    pub fn sent(&mut self, from: u64, to: u64) {
        let pair = pair(from, to);
        if self.clients.len() < PAIRS {
            self.clients.entry(pair).or_insert((from, false));
        }
    }

    /// `server` has received a message of `client`, and says that it is one of a client.
    pub fn received(&mut self, server: u64, client: u64) {
        let pair = pair(server, client);
        if let Some(known) = self.clients.get_mut(&pair) {
            if !known.1 {
                *known = (client, true);
            }
        } else if self.clients.len() < PAIRS {
            self.clients.insert(pair, (client, true));
        }
    }

    /// Forgets pairs of threads of which `lives` is not true, if there is no room for others.
    pub fn make_room(&mut self, lives: impl Fn(u64) -> bool) {
        if self.clients.len() >= PAIRS {
            self.clients.retain(|(one, other), _| lives(*one) && lives(*other));
        }
    }

    pub fn is_client(&self, thread: u64, of: u64) -> bool {
        self.clients.get(&pair(thread, of)).is_some_and(|(client, _)| *client == thread)
    }
}

fn pair(one: u64, other: u64) -> (u64, u64) {
    (one.min(other), one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_word_counts_more_than_who_spoke_first() {
        let mut roles = Roles::default();
        assert!(!roles.is_client(1, 2) && !roles.is_client(2, 1));
        roles.sent(1, 2);
        roles.sent(2, 1);
        assert!(roles.is_client(1, 2) && !roles.is_client(2, 1));
        roles.received(1, 2);
        roles.received(2, 1);
        assert!(roles.is_client(2, 1) && !roles.is_client(1, 2));
    }

    #[test]
    fn the_dead_make_room() {
        let mut roles = Roles::default();
        (1..=PAIRS as u64).for_each(|n| roles.sent(n, 0));
        roles.sent(0, 1 << 20);
        assert!(!roles.is_client(0, 1 << 20), "there is no room");
        roles.make_room(|thread| thread <= 5);
        roles.sent(0, 1 << 20);
        assert!(roles.is_client(0, 1 << 20) && roles.is_client(5, 0) && !roles.is_client(6, 0));
    }
}
