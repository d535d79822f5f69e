//! What servers say: whom they have heard, what they do for him, and whom they ask for help.

use super::Follower;
use crate::cost::Cost;
use crate::phase::Phase;
use crate::point::Point;
use crate::sink::{Handled, Sink, Stretch};
use std::ops::DerefMut;
use vmm_abi::trace::{Event, Record};

impl<S: DerefMut<Target: Sink>> Follower<S> {
    /// A record of a ring for user level; whether it can be.
    pub(super) fn server(&mut self, record: &Record, cost: Cost) -> bool {
        let (server, argument) = (record.thread, record.argument);
        if self.threads.get(server).is_none() {
            return false;
        }
        let point = self.point_of(server, record.tsc, cost);
        match record.event() {
            Event::RECEIVED => self.received(server, argument, point),
            Event::HANDLER_START => self.handler_start(server, argument, point),
            Event::HANDLER_END => self.handler_end(server, argument, point),
            Event::REPLY => self.reply(server, argument, point),
            Event::DRIVER_REQUEST => {
                self.roles.received(argument, server);
                self.driver(server, (Phase::Server, Phase::Driver), point);
            }
            Event::DRIVER_DONE => self.driver(server, (Phase::Driver, Phase::Server), point),
            Event::DEVICE_REQUEST => self.devices.asked(server, argument, record.tsc),
            Event::DEVICE_DONE => {
                if let Some(device) = self.devices.done(server, argument, record.tsc) {
                    self.sink.device(&device);
                }
            }
            _ => return false,
        }
        true
    }

    fn received(&mut self, server: u64, client: u64, point: Point) {
        let Some(state) = self.threads.get(server) else { return };
        (state.serving, state.replying) = (Some(client), None);
        let back = state.back;
        let Some(open) = self.threads.open(client) else { return };
        // Of a server whose way back is not in the records, this is the first that is known.
        let back = back.filter(|back| back.tsc >= open.since.tsc).unwrap_or(point);
        let is_ipc = open.span.kind.may_be_ipc();
        open.received(server, back);
        if is_ipc {
            self.roles.received(server, client);
        }
    }

    fn handler_start(&mut self, server: u64, what: u64, point: Point) {
        let Some(state) = self.threads.get(server) else { return };
        state.handling = Some((what, state.serving, point.tsc));
        if let Some(open) = self.served(server)
            && open.phase == Phase::Dispatch
        {
            open.go(Phase::Server, point);
        }
    }

    fn handler_end(&mut self, server: u64, result: u64, point: Point) {
        let Some(state) = self.threads.get(server) else { return };
        let handling = state.handling.take();
        let waits = result == Event::WAITS;
        let client = state.serving;
        state.replying = if waits { None } else { client };
        if let Some(open) = self.served(server)
            && matches!(open.phase, Phase::Dispatch | Phase::Server | Phase::Driver)
        {
            open.go(if waits { Phase::Waiting } else { Phase::Reply }, point);
            open.span.result = (!waits).then_some(result);
        }
        if let Some((what, client, start)) = handling {
            let stretch = Stretch { start, end: point.tsc };
            self.sink.handled(&Handled { server, client, what, stretch });
        }
    }

    fn reply(&mut self, server: u64, client: u64, point: Point) {
        let Some(state) = self.threads.get(server) else { return };
        state.replying = Some(client);
        let Some(open) = self.threads.open(client).filter(|open| open.span.server == Some(server)) else {
            return;
        };
        open.span.answered = true;
        if matches!(open.phase, Phase::Dispatch | Phase::Server | Phase::Driver | Phase::Waiting) {
            open.go(Phase::Reply, point);
        }
    }

    /// The request in work goes from one phase to the other, if it is in that.
    fn driver(&mut self, server: u64, (from, to): (Phase, Phase), point: Point) {
        if let Some(open) = self.served(server)
            && open.phase == from
        {
            open.go(to, point);
        }
    }

    /// The request that the server has in work.
    fn served(&mut self, server: u64) -> Option<&mut crate::span::Open> {
        let client = self.threads.get(server)?.serving?;
        self.threads.open(client).filter(|open| open.span.server == Some(server))
    }
}
