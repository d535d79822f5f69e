//! The gateway, pinged.

use crate::failure::Failure;
use crate::host::Host;
use crate::wire::Wire;
use alloc::vec;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::icmp;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress};

/// Between two tries.
const RESEND_US: u64 = 1_000_000;
const TRIES: u16 = 60;
const IDENT: u16 = 0x4c34;
const TEXT: &[u8] = b"is anybody there?";

impl<W: Wire> Host<W> {
    /// Microseconds that the answer to the last echo request took.
    pub fn ping_gateway(&mut self) -> Result<u64, Failure> {
        let gateway = self.gateway.ok_or(Failure::NoGateway)?;
        let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 512]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        // A new socket can be bound.
        let _ = socket.bind(icmp::Endpoint::Ident(IDENT));
        let socket = self.sockets.add(socket);
        let result = (1..=TRIES).find_map(|sequence| {
            let sent = self.port.0.now();
            self.send_echo(socket, gateway.into(), sequence);
            let answer = self.until("no answer to a ping", RESEND_US, |host| {
                let socket = host.sockets.get_mut::<icmp::Socket<'_>>(socket);
                Ok(socket
                    .recv()
                    .ok()
                    .filter(|(bytes, from)| *from == IpAddress::Ipv4(gateway) && is_answer(bytes, sequence))
                    .map(|_| ()))
            });
            answer.is_ok().then(|| self.port.0.now().saturating_sub(sent))
        });
        self.remove(socket);
        result.ok_or(Failure::TimedOut("no answer to any ping"))
    }

    fn send_echo(&mut self, socket: smoltcp::iface::SocketHandle, to: IpAddress, sequence: u16) {
        let request = Icmpv4Repr::EchoRequest { ident: IDENT, seq_no: sequence, data: TEXT };
        let socket = self.sockets.get_mut::<icmp::Socket<'_>>(socket);
        // One that finds no room is lost, and there will be another.
        if let Ok(bytes) = socket.send(request.buffer_len(), to) {
            request.emit(&mut Icmpv4Packet::new_unchecked(bytes), &ChecksumCapabilities::default());
        }
    }
}

fn is_answer(bytes: &[u8], sequence: u16) -> bool {
    let Ok(packet) = Icmpv4Packet::new_checked(bytes) else { return false };
    let reply = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default());
    reply == Ok(Icmpv4Repr::EchoReply { ident: IDENT, seq_no: sequence, data: TEXT })
}
