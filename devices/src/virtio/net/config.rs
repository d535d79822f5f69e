//! What the driver is told about the network (5.1.3, 5.1.4), and what its features come to.
//!
//! Not offered: a control queue (nothing here filters frames, so there is nothing to control), several pairs of queues (one thread serves
//! the device), UFO (Linux makes such datagrams no more), and ECN with segmentation for frames that come (who does not take it gets none).

use super::backend::{Driver, Offloads};
use virtio_bindings::virtio_net::*;

/// Entries of each queue. One frame of 64 KiB may take 44 buffers of a driver that makes them small.
pub const QUEUE_SIZE: u16 = 256;

/// The link is up.
const STATUS: u16 = VIRTIO_NET_S_LINK_UP as u16;
/// Size of `struct virtio_net_config` up to its MTU.
const LEN: usize = 12;

const CSUM: u64 = 1 << VIRTIO_NET_F_CSUM;
const GUEST_CSUM: u64 = 1 << VIRTIO_NET_F_GUEST_CSUM;
const MTU: u64 = 1 << VIRTIO_NET_F_MTU;
const GUEST_TSO4: u64 = 1 << VIRTIO_NET_F_GUEST_TSO4;
const GUEST_TSO6: u64 = 1 << VIRTIO_NET_F_GUEST_TSO6;
const HOST_TSO4: u64 = 1 << VIRTIO_NET_F_HOST_TSO4;
const HOST_TSO6: u64 = 1 << VIRTIO_NET_F_HOST_TSO6;
const MRG_RXBUF: u64 = 1 << VIRTIO_NET_F_MRG_RXBUF;

/// The features of a device before a network that can do this.
pub fn features(offloads: Offloads, mtu: Option<u16>) -> u64 {
    let mut features = 1 << VIRTIO_NET_F_MAC | 1 << VIRTIO_NET_F_STATUS | MRG_RXBUF;
    for (can, bits) in [
        (mtu.is_some(), MTU),
        (offloads.checksum, CSUM | GUEST_CSUM),
        (offloads.checksum && offloads.tso4, GUEST_TSO4 | HOST_TSO4),
        (offloads.checksum && offloads.tso6, GUEST_TSO6 | HOST_TSO6),
    ] {
        features |= if can { bits } else { 0 };
    }
    features
}

/// The configuration space.
pub fn space(mac: [u8; 6], mtu: Option<u16>) -> [u8; LEN] {
    let mut space = [0; LEN];
    space[..6].copy_from_slice(&mac);
    space[6..8].copy_from_slice(&STATUS.to_le_bytes());
    space[8..10].copy_from_slice(&1u16.to_le_bytes());
    space[10..12].copy_from_slice(&mtu.unwrap_or(0).to_le_bytes());
    space
}

/// What has been agreed upon with a driver.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Agreed {
    /// What its frames may leave to be done.
    pub sends: Offloads,
    /// What it takes.
    pub takes: Driver,
    /// A frame that comes may fill several buffers.
    pub merge: bool,
}

impl Agreed {
    /// A driver that has taken `features`. One feature that needs another is nothing without that one (5.1.3.1).
    pub fn new(features: u64) -> Self {
        let has = |bit| features & bit != 0;
        let (csum, guest_csum, merge) = (has(CSUM), has(GUEST_CSUM), has(MRG_RXBUF));
        Self {
            sends: Offloads { checksum: csum, tso4: csum && has(HOST_TSO4), tso6: csum && has(HOST_TSO6) },
            takes: Driver {
                offloads: Offloads {
                    checksum: guest_csum,
                    tso4: guest_csum && has(GUEST_TSO4),
                    tso6: guest_csum && has(GUEST_TSO6),
                },
                // Without, each of its buffers would have to be so large, and many a driver's are not.
                mtu: has(MTU) && merge,
            },
            merge,
        }
    }
}
