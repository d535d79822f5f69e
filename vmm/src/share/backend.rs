//! What the 9P device's model sees: the server of one folder.

use devices::virtio::p9::{Backend, NoAnswer};
use p9fs::server::LARGEST_MESSAGE;
use p9fs::{Limits, Server, Share};

/// The file server of a share.
pub struct FileServer(Server);

impl FileServer {
    pub fn new(share: Share, limits: Limits) -> Self {
        Self(Server::new(share, limits))
    }
}

impl Backend for FileServer {
    fn largest(&self) -> usize {
        LARGEST_MESSAGE as usize
    }

    fn answer(&mut self, message: &[u8], reply: &mut [u8]) -> Result<usize, NoAnswer> {
        self.0.answer(message, reply).map_err(|_| NoAnswer)
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}
