//! The thread that makes figures of records, and serves those who watch.
//!
//! It has no clock of its own: what is handed to it comes every few milliseconds, whether the guest records anything or not.

use super::clients::Clients;
use super::feed::{Feed, News, feed};
use crate::error::{Error, host};
use crate::jail::{self, Kind};
use crate::socket::Socket;
use profile::live::analysis::Analysis;
use profile::live::line::{End, Line};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::{self, JoinHandle};

pub struct Watch {
    sender: Option<SyncSender<News>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts it. What is said to the feed is shown at the socket, and how many look at it kept in `watchers`.
    pub fn start(
        socket: Socket,
        analysis: Analysis,
        watchers: Arc<AtomicUsize>,
    ) -> Result<(Self, Feed), Error> {
        let (feed, sender, receiver) = feed();
        tracing::info!("--live: ukvmm top {}", socket.path().display());
        let body = move || run(&receiver, analysis, &socket, &watchers);
        let thread = thread::Builder::new().name("live".into()).spawn(body);
        let thread = thread.map_err(host("starting the thread for --live"))?;
        Ok((Self { sender: Some(sender), thread: Some(thread) }, feed))
    }

    /// The machine has ended, and the feed with it: all clients are told.
    pub fn end(mut self, end: End) {
        if let Some(sender) = &self.sender {
            // Of a thread that has panicked, nobody listens.
            let _ = sender.send(News::End(end));
        }
        self.join();
    }

    fn join(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Goes behind the feed, which keeps the thread alive.
impl Drop for Watch {
    fn drop(&mut self) {
        self.join();
    }
}

fn run(news: &Receiver<News>, mut analysis: Analysis, socket: &Socket, watchers: &AtomicUsize) {
    jail::enter(Kind::Live);
    let mut clients = Clients::default();
    for news in news {
        let line = match news {
            News::Batch(batch) => analysis.take(batch).map(|window| Line::Window(Box::new(window))),
            News::End(end) => Some(Line::End(end)),
        };
        clients.attend(&socket.listener);
        if let Some(line) = line {
            clients.tell(&line);
        }
        watchers.store(clients.len(), Relaxed);
    }
}
