//! What frames go through.

use proto::net::FRAME_MAX;

/// A network interface, and time.
pub trait Wire {
    fn mac(&self) -> [u8; 6];
    /// Microseconds since some moment.
    fn now(&self) -> u64;
    /// The next frame that has come: its length. Does not wait.
    fn receive(&mut self, into: &mut [u8; FRAME_MAX]) -> Option<usize>;
    /// Whether a frame could be sent now.
    fn can_send(&mut self) -> bool;
    /// Sends a frame. One that cannot be sent is lost, as on any network.
    fn send(&mut self, frame: &[u8]);
    /// Waits until a frame has come or `us` microseconds have gone by. May return earlier.
    fn wait(&mut self, us: u64);
}
