//! A server's ports and interrupt lines as flexpages.

use ukernel_abi::Fpage;
use vmm_abi::set::{PortRange, Server};

/// All of them: the ports in the largest aligned pieces, then the lines.
pub fn flexpages(server: &Server) -> impl Iterator<Item = Fpage> {
    server.ports().flat_map(pieces).chain(server.irqs().map(|line| Fpage::irqs(line, 0)))
}

fn pieces(range: PortRange) -> impl Iterator<Item = Fpage> {
    let (mut port, end) = (u32::from(range.first), u32::from(range.first) + range.count);
    core::iter::from_fn(move || {
        if port >= end {
            return None;
        }
        let by_place = if port == 0 { 16 } else { port.trailing_zeros() };
        let log2 = (end - port).ilog2().min(by_place);
        let piece = Fpage::ports(port as u16, log2);
        port += 1 << log2;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Fpage> {
        let line = format!("server name=a elf=a prio=1 memory=0 {text}");
        flexpages(&vmm_abi::set::servers(&line).next().unwrap().unwrap()).collect()
    }

    #[test]
    fn ports_come_in_aligned_pieces() {
        assert_eq!(of("ports=0xb00+8"), [Fpage::ports(0xb00, 3)]);
        assert_eq!(of("ports=0x3f9+3"), [Fpage::ports(0x3f9, 0), Fpage::ports(0x3fa, 1)]);
        assert_eq!(of("ports=0+65536"), [Fpage::ports(0, 16)]);
        assert_eq!(of("ports=65535+1"), [Fpage::ports(65535, 0)]);
        assert!(of("ports=1+65535").iter().all(|p| p.is_valid()));
    }

    #[test]
    fn lines_come_last() {
        assert_eq!(
            of("irqs=5,4 ports=0xb00+8"),
            [Fpage::ports(0xb00, 3), Fpage::irqs(5, 0), Fpage::irqs(4, 0)]
        );
        assert_eq!(of(""), []);
    }
}
