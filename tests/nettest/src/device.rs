//! A wire as smoltcp's device.

use crate::wire::Wire;
use proto::net::FRAME_MAX;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

pub struct Port<W>(pub W);

/// A frame that has come.
pub struct Received {
    bytes: [u8; FRAME_MAX],
    len: usize,
}

/// The right to send a frame.
pub struct ToSend<'a, W>(&'a mut W);

impl<W: Wire> Device for Port<W> {
    type RxToken<'a>
        = Received
    where
        W: 'a;
    type TxToken<'a>
        = ToSend<'a, W>
    where
        W: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(Received, ToSend<'_, W>)> {
        if !self.0.can_send() {
            return None;
        }
        let mut bytes = [0; FRAME_MAX];
        let len = self.0.receive(&mut bytes)?.min(FRAME_MAX);
        Some((Received { bytes, len }, ToSend(&mut self.0)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<ToSend<'_, W>> {
        self.0.can_send().then_some(ToSend(&mut self.0))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.bytes[..self.len])
    }
}

impl<W: Wire> TxToken for ToSend<'_, W> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut bytes = [0; FRAME_MAX];
        // smoltcp keeps to the capabilities.
        let frame = &mut bytes[..len];
        let result = f(frame);
        self.0.send(frame);
        result
    }
}
