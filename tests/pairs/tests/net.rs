//! The network device before a user-mode network, the driver, and a TCP/IP host that talks to a server of this machine.

use devices::virtio::net::{Backend, Driver as Abilities, Header, Net as Device, Offloads, Sink};
use driver::mock::server::{Board, Death, Server};
use guest_tests::peer;
use net::client::REGION_LOG2;
use net::device::{HEADERS, Parts};
use net::{Interface, Net};
use nettest::transfer::Plan;
use nettest::{Host, Wire};
use pairs::{Pair, Ram};
use proto::net::FRAME_MAX;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};
use usernet::{Frame, Gateway, Offers, System, gateway};

const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];
/// What this machine's loopback interface is to the guest.
const ROUTER: [u8; 4] = [10, 0, 2, 2];
const BYTES: u64 = 2_000_000;
type Driver = Net<Pair, Ram>;

/// The network behind the device: a thread of its own has it.
struct Network {
    /// Frames; nothing when a driver begins or ends.
    from_guest: Sender<Option<Vec<u8>>>,
    to_guest: Receiver<Vec<u8>>,
}

impl Network {
    fn start() -> Self {
        let (from_guest, frames) = mpsc::channel::<Option<Vec<u8>>>();
        let (out, to_guest) = mpsc::channel();
        thread::spawn(move || {
            let config = gateway::Config { mac: MAC, forwards: Vec::new() };
            let mut gateway = Gateway::new(&config, System::new().unwrap()).unwrap();
            loop {
                match frames.recv_timeout(Duration::from_micros(200)) {
                    Ok(Some(frame)) => gateway.send(&frame, false, Instant::now()),
                    Ok(None) => gateway.reset(Offers::default()),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                gateway.poll(Instant::now()).unwrap();
                let mut sink = |frame: &Frame<'_>| drop(out.send(frame.to_vec()));
                while gateway.receive(FRAME_MAX, Instant::now(), &mut sink) {}
            }
        });
        Self { from_guest, to_guest }
    }
}

impl Backend for Network {
    fn offloads(&self) -> Offloads {
        Offloads::default()
    }
    fn mtu(&self) -> Option<u16> {
        None
    }
    fn start(&mut self, driver: Abilities) {
        assert_eq!(driver, Abilities::default(), "the driver has no use for offloads");
        self.from_guest.send(None).unwrap();
    }
    fn stop(&mut self) {
        self.from_guest.send(None).unwrap();
    }
    fn send(&mut self, _header: &Header, frame: &[u8]) {
        self.from_guest.send(Some(frame.to_vec())).unwrap();
    }
    fn poll(&mut self) {}
    fn receive(&mut self, limit: usize, sink: Sink<'_>) -> bool {
        assert!(limit >= FRAME_MAX);
        let Ok(frame) = self.to_guest.try_recv() else { return false };
        sink(&Header::default(), &[&frame]);
        true
    }
}

/// The guest's wire: through the driver.
struct Driven {
    interface: Interface<Server<Driver, Pair>>,
    pair: Pair,
    server: Server<Driver, Pair>,
    begun: Instant,
    deaths: u64,
}

impl Driven {
    fn new() -> Self {
        let pair = Pair::new(|_| Box::new(Device::new(Network::start(), MAC)));
        let (device, receive, send) = (pair.clone(), pair.memory(8192), pair.memory(8192));
        let headers = pair.memory(HEADERS);
        let make = move || {
            let (receive, send, headers) = (receive.clone(), send.clone(), headers.clone());
            Net::new(device.clone(), Parts { receive, send, headers }).unwrap()
        };
        let server = Server::new(&pair, 1 << REGION_LOG2, make);
        let interface = Interface::open(server.clone()).unwrap();
        Self { interface, pair, server, begun: Instant::now(), deaths: 0 }
    }

    /// The driver dies with one of its next messages, `deaths` times in a transfer of [`BYTES`].
    fn die(&mut self, done: u64, deaths: u64) {
        if self.deaths < deaths && done >= BYTES / (deaths + 1) * (self.deaths + 1) {
            let death = if self.deaths.is_multiple_of(2) { Death::Before } else { Death::After };
            self.server.dies(self.server.calls() + 1 + self.deaths % 3, death);
            self.deaths += 1;
        }
    }
}

impl Wire for Driven {
    fn mac(&self) -> [u8; 6] {
        self.interface.mac()
    }
    fn now(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }
    fn receive(&mut self, into: &mut [u8; FRAME_MAX]) -> Option<usize> {
        self.interface.receive(into)
    }
    fn can_send(&mut self) -> bool {
        if !self.interface.can_send() {
            self.interface.poll().unwrap();
        }
        self.interface.can_send()
    }
    fn send(&mut self, frame: &[u8]) {
        self.interface.send(frame).unwrap();
    }
    fn wait(&mut self, us: u64) {
        // Frames that go, then what they have led to on the host, then frames that come.
        self.interface.poll().unwrap();
        if !self.interface.can_receive() {
            thread::sleep(Duration::from_micros(us.min(200)));
        }
        self.pair.ready(0);
        self.interface.poll().unwrap();
    }
}

#[test]
fn a_host_gets_an_address_and_transfers_data() {
    let mut host = Host::new(Driven::new(), 1);
    assert_eq!(host.wire().mac(), MAC);
    let lease = host.lease().unwrap();
    assert_eq!(lease.gateway.map(|g| g.octets()), Some(ROUTER));
    host.ping_gateway().unwrap();
    let plan = Plan { server: (ROUTER.into(), peer::start().unwrap()), bytes: BYTES, seed: 7 };
    host.send(&plan, |_, _| ()).unwrap();
    host.receive(&plan, |_, _| ()).unwrap();
    assert!(host.wire().pair.is_active());
}

#[test]
fn connections_outlive_the_driver() {
    let mut host = Host::new(Driven::new(), 2);
    host.lease().unwrap();
    let plan = Plan { server: (ROUTER.into(), peer::start().unwrap()), bytes: BYTES, seed: 8 };
    host.send(&plan, |wire, sent| wire.die(sent, 5)).unwrap();
    host.wire().deaths = 0;
    host.receive(&plan, |wire, got| wire.die(got, 5)).unwrap();
    let restarts = host.wire().interface.client().recoveries();
    assert!(restarts >= 10 && host.wire().pair.is_active(), "{restarts}");
}

#[test]
fn a_server_that_is_not_there_is_noticed() {
    let mut host = Host::new(Driven::new(), 3);
    host.lease().unwrap();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let plan = Plan { server: (ROUTER.into(), free), bytes: 10, seed: 1 };
    assert!(host.send(&plan, |_, _| ()).is_err());
}
