//! All connections.

use super::backend::Stream;
use super::config::{CONNECTIONS_MAX, FIRST_PORT};
use super::connection::{Connection, Say};
use super::request::{Header, HostPort, NO_SEND, Ports, STREAM};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

/// The table.
pub struct Connections<S> {
    all: BTreeMap<Ports, Connection<S>>,
    by_id: HashMap<u64, Ports>,
    /// Whoever was served last comes last next time.
    last: Option<Ports>,
    next_port: u32,
}

impl<S: Stream> Connections<S> {
    pub fn new() -> Self {
        Self { all: BTreeMap::new(), by_id: HashMap::new(), last: None, next_port: FIRST_PORT }
    }

    pub fn is_full(&self) -> bool {
        self.all.len() >= CONNECTIONS_MAX
    }

    pub fn get(&mut self, ports: Ports) -> Option<&mut Connection<S>> {
        self.all.get_mut(&ports)
    }

    pub fn by_id(&mut self, id: u64) -> Option<&mut Connection<S>> {
        self.by_id.get(&id).and_then(|ports| self.all.get_mut(ports))
    }

    /// A port of the host for a connection to port `guest`. There are far more than connections.
    pub fn free_port(&mut self, guest: u32) -> HostPort {
        loop {
            let host = HostPort(self.next_port);
            self.next_port =
                self.next_port.checked_add(1).filter(|&port| port != u32::MAX).unwrap_or(FIRST_PORT);
            if !self.all.contains_key(&Ports { host, guest }) {
                return host;
            }
        }
    }

    pub fn add(&mut self, ports: Ports, connection: Connection<S>) {
        self.by_id.insert(connection.stream().id(), ports);
        self.all.insert(ports, connection);
    }

    pub fn remove(&mut self, ports: Ports) {
        if let Some(connection) = self.all.remove(&ports) {
            self.by_id.remove(&connection.stream().id());
        }
    }

    /// Whether it is worth asking for [`Self::next`].
    pub fn may_say(&self) -> bool {
        self.all.values().any(Connection::may_say)
    }

    /// The next packet for the guest, of whatever connection's turn it is. Data is put into `room`.
    pub fn next(&mut self, room: &mut [u8]) -> Option<(Ports, Say, Header)> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let until = self.last.map_or(Bound::Unbounded, Bound::Included);
        let turn = [(after, Bound::Unbounded), (Bound::Unbounded, until)];
        for range in turn {
            for (&ports, connection) in self.all.range_mut(range) {
                let Some(say) = connection.next(room) else { continue };
                self.last = Some(ports);
                let mut header = Header::to_guest(ports, say.op(), STREAM);
                connection.stamp(&mut header);
                match say {
                    Say::Data(len) => header.len = len as u32,
                    // The program may still read.
                    Say::Shutdown => header.flags = NO_SEND,
                    _ => {}
                }
                return Some((ports, say, header));
            }
        }
        None
    }
}
