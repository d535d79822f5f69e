//! The doors of a command line, and who comes to them outside.

use super::socket;
use super::ways::{self, Way};
use crate::accel::relay::Exchange;
use crate::accel::words::Instead;
use crate::accel::{AccelError, host};
use crate::config::Config;
use crate::console::Endpoint;
use crate::debug::listen::{Gdb, Listener};
use crate::net::Network;
use crate::share::{Folder, descriptors};
use crate::socket::Socket;
use crate::vsock::Host;
use devices::virtio::vsock::Cid;
use rustix::event::{PollFd, PollFlags, poll};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, iter, thread};

/// All doors: first those that lead out. Their sockets outside go when this does.
#[derive(Default)]
pub struct Doors {
    /// Where they lead, until somebody has gone through: once, since each is for one device.
    ways: Vec<Mutex<Option<Way>>>,
    /// Where programs of this host come to the others.
    listeners: Vec<Listener>,
    gdb: Option<Gdb>,
    /// Who is to be reached from the guest by sockets, and the door to them.
    vsock: Option<(u8, Host)>,
    sockets: Vec<Socket>,
    /// The sockets of console ports, which their threads have.
    ports: Vec<PathBuf>,
}

impl Doors {
    /// Takes what needs a door out of `config`. Says also what the flags are given in the lab.
    pub fn of(config: &mut Config) -> Result<(Self, Vec<Instead>), AccelError> {
        let (mut doors, mut instead) = (Self::default(), Vec::new());
        let (folders, networks) = (std::mem::take(&mut config.shares), std::mem::take(&mut config.nets));
        if !folders.is_empty() {
            instead.push(("share", doors.shares(folders, config.jail)));
        }
        if !networks.is_empty() {
            instead.push(("net", doors.networks(networks, config.jail)));
        }
        if let Some(ports) = config.console.take() {
            instead.push(("virtio-console", doors.ports(ports, config.jail)));
        }
        if let Some((cid, host)) = config.vsock.take() {
            instead.push(("vsock", vec![doors.vsock(cid, host)?]));
        }
        if let Some(gdb) = config.gdb.take() {
            let listener = match &gdb.listener {
                Listener::Tcp(listener) => listener.try_clone().map(Listener::Tcp),
                Listener::Unix(listener) => listener.try_clone().map(Listener::Unix),
            };
            let door = doors.add(listener)?;
            instead.push(("gdb", vec![gdb_option(&gdb, door)]));
            doors.gdb = Some(gdb);
        }
        let live = config.profile.as_mut().and_then(|wish| wish.socket.take());
        for (flag, socket) in [("live", live), ("control", config.control.take())] {
            let Some(socket) = socket else { continue };
            let door = doors.add(socket.listener.try_clone().map(Listener::Unix))?;
            instead.push((flag, vec![super::socket(door).into()]));
            doors.sockets.push(socket);
        }
        Ok((doors, instead))
    }

    fn shares(&mut self, folders: Vec<Folder>, jailed: bool) -> Vec<OsString> {
        let limits = descriptors::limits(folders.len());
        let option = |folder: Folder| {
            let tag = folder.tag.as_str().to_owned();
            let door = self.lead(Way::to_share(folder, limits, jailed));
            format!("tag={tag},socket={}", socket(door).display()).into()
        };
        folders.into_iter().map(option).collect()
    }

    fn networks(&mut self, networks: Vec<Network>, jailed: bool) -> Vec<OsString> {
        let option = |network: Network| {
            let mac = network.mac.map(|byte| format!("{byte:02x}")).join(":");
            let door = self.lead(Way::to_network(network, jailed));
            format!("socket,path={},mac={mac}", socket(door).display()).into()
        };
        networks.into_iter().map(option).collect()
    }

    /// With the one of the standard streams, which is there in any case.
    fn ports(&mut self, ports: Vec<Endpoint>, jailed: bool) -> Vec<OsString> {
        let option = |port: Endpoint| {
            let name = port.name().replace(',', ",,");
            self.ports.extend(port.socket().map(Path::to_path_buf));
            let door = self.lead(Way::to_port(port, jailed));
            format!("name={name},path={}", socket(door).display()).into()
        };
        iter::once(OsString::new()).chain(ports.into_iter().map(option)).collect()
    }

    /// Two doors: one out, for the guest's programs, and one in for those of this host.
    fn vsock(&mut self, cid: Cid, host: Host) -> Result<OsString, AccelError> {
        let way_out = self.ways.len() as u8;
        self.ways.push(Mutex::new(None));
        let way_in = self.add(host.listener().try_clone().map(Listener::Unix))?;
        self.vsock = Some((way_out, host));
        let cid = cid.number();
        Ok(format!("cid={cid},path={},via={}", socket(way_in).display(), socket(way_out).display()).into())
    }

    fn lead(&mut self, way: Way) -> u8 {
        self.ways.push(Mutex::new(Some(way)));
        (self.ways.len() - 1) as u8
    }

    /// How many lead out.
    pub fn ways_out(&self) -> u8 {
        self.ways.len() as u8
    }

    /// Somebody in the lab has come to `door`, by connection `number`.
    pub fn let_out(&self, number: u32, door: u8, exchange: &Arc<Exchange>) {
        let begun = exchange.begin(number);
        match self.way_out(door) {
            Some(Ok(socket)) => exchange.join(begun, socket),
            Some(Err(error)) => {
                tracing::error!("--accel lab: a way out of it: {error}");
                exchange.refuse(number);
            }
            None => exchange.refuse(number),
        }
    }

    fn way_out(&self, door: u8) -> Option<io::Result<OwnedFd>> {
        if let Some((_, host)) = self.vsock.as_ref().filter(|(way_out, _)| *way_out == door) {
            return Some(ways::to_program(host.path()));
        }
        let way = self.ways.get(usize::from(door))?;
        Some(way.lock().unwrap_or_else(PoisonError::into_inner).take()?.connect())
    }

    fn add(&mut self, listener: io::Result<Listener>) -> Result<u8, AccelError> {
        self.listeners.push(listener.map_err(host("sharing a socket"))?);
        Ok((self.ways.len() + self.listeners.len() - 1) as u8)
    }

    /// Whether somebody may want to know what the guest's programs are made of.
    pub fn has_debugger(&self) -> bool {
        self.gdb.is_some()
    }

    /// From now on, who comes is let in.
    pub fn open(&self, exchange: &Arc<Exchange>) -> Result<(), AccelError> {
        for (door, listener) in (self.ways_out()..).zip(&self.listeners) {
            let listener = match listener {
                Listener::Tcp(listener) => listener.try_clone().map(Listener::Tcp),
                Listener::Unix(listener) => listener.try_clone().map(Listener::Unix),
            };
            let (listener, exchange) = (listener.map_err(host("sharing a socket"))?, exchange.clone());
            thread::spawn(move || attend(door, &listener, &exchange));
        }
        Ok(())
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        for socket in &self.ports {
            // Its thread may have removed it.
            let _ = fs::remove_file(socket);
        }
    }
}

fn attend(door: u8, listener: &Listener, exchange: &Arc<Exchange>) {
    loop {
        match accept(listener) {
            Ok(socket) => exchange.open(door, socket),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return tracing::warn!("--accel lab: nobody can be let in any more: {error}"),
        }
    }
}

/// Waits for somebody. Listeners that do not wait are waited for.
fn accept(listener: &Listener) -> io::Result<OwnedFd> {
    let file = match listener {
        Listener::Tcp(listener) => listener.as_fd(),
        Listener::Unix(listener) => listener.as_fd(),
    };
    poll(&mut [PollFd::new(&file, PollFlags::IN)], None)?;
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept()?;
            // Packets of a debugger are short, and each waits for the next.
            stream.set_nodelay(true)?;
            Ok(stream.into())
        }
        Listener::Unix(listener) => Ok(listener.accept()?.0.into()),
    }
}

/// `--gdb` in the lab. What the user is told is where debuggers come outside.
fn gdb_option(gdb: &Gdb, door: u8) -> OsString {
    let wait = if gdb.hold { ",wait=on" } else { "" };
    let name = gdb.place().to_string().replace(',', ",,");
    format!("unix:{},as={name}{wait}", socket(door).display()).into()
}
