//! A device that is to be.

use super::entropy;
use crate::config::Config;
use crate::console::{Endpoint, Standard};
use crate::disk::HostDisk;
use crate::error::{Error, host};
use crate::events::Mailbox;
use crate::jail::Kind;
use crate::net::{Link, Network};
use crate::share::{FileServer, Files, Folder, RemoteServer, descriptors};
use crate::vsock::Host;
use devices::virtio::block::Block;
use devices::virtio::console::config::PORTS_MAX;
use devices::virtio::console::{Console, PortSpec};
use devices::virtio::net::Net;
use devices::virtio::p9::P9;
use devices::virtio::rng::Rng;
use devices::virtio::vsock::{Cid, Vsock};
use devices::virtio::{Device, Memory};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use vmm_abi::virtio::DEVICES_MAX;

/// What the guest calls the port of a virtio console that has our standard streams.
pub const STANDARD_PORT: &str = "ukvmm.console";

/// A device, and what it waits for.
pub struct Plan {
    /// For messages and as its thread's name: `block0`.
    pub name: String,
    pub device: Box<dyn Device>,
    /// What its thread is in the jail.
    pub kind: Kind,
    /// Files of its backend. When number *n* becomes ready for reading (an edge), the device's `ready(n)` is called.
    pub sources: Vec<OwnedFd>,
}

/// How many devices `config` wants; an error if these are more than a machine has.
pub fn count(config: &Config) -> Result<usize, Error> {
    let ports = config.console.as_ref().map_or(0, |others| 1 + others.len());
    if ports > PORTS_MAX {
        return Err(Error::TooManyPorts { asked: ports, most: PORTS_MAX });
    }
    let single = [config.console.is_some(), config.vsock.is_some(), config.rng];
    let single = single.into_iter().filter(|wanted| *wanted).count();
    let asked = config.disks.len() + config.nets.len() + config.shares.len() + single;
    if asked > DEVICES_MAX { Err(Error::TooManyDevices { asked, most: DEVICES_MAX }) } else { Ok(asked) }
}

/// The devices that `config` wants, in the order in which the guest finds them. `standard` and `mailbox` are for the first port of a virtio
/// console.
pub fn plans(
    config: &mut Config,
    memory: &Memory,
    standard: Option<&Arc<Standard>>,
    mailbox: &Mailbox,
) -> Result<Vec<Plan>, Error> {
    count(config)?;
    let ports = config.console.take().unwrap_or_default();
    let console = standard.map(|standard| console(standard, mailbox, ports));
    let rng = config.rng.then(rng);
    let vsock = config.vsock.take().map(vsock);
    let shares = shares(std::mem::take(&mut config.shares));
    let nets: Vec<Plan> = config.nets.drain(..).enumerate().map(net).collect();
    disks(config, memory)
        .chain(nets.into_iter().map(Ok))
        .chain(rng.into_iter().chain(shares).map(Ok))
        .chain(console)
        .chain(vsock)
        .collect()
}

fn disks(config: &mut Config, memory: &Memory) -> impl Iterator<Item = Result<Plan, Error>> {
    config.disks.drain(..).enumerate().map(|(n, image)| {
        let disk = HostDisk::new(image, memory.clone())?;
        let sources = vec![disk.ready()?];
        Ok(Plan { name: format!("block{n}"), device: Box::new(Block::new(disk)), kind: Kind::Disk, sources })
    })
}

fn net((n, Network { mac, link, source }): (usize, Network)) -> Plan {
    let (device, kind): (Box<dyn Device>, _) = match link {
        Link::User(user) => (Box::new(Net::new(*user, mac)), Kind::UserNet),
        Link::Tap(tap) => (Box::new(Net::new(tap, mac)), Kind::Tap),
        Link::Socket(frames) => (Box::new(Net::new(frames, mac)), Kind::Frames),
    };
    Plan { name: format!("net{n}"), device, kind, sources: vec![source] }
}

fn console(standard: &Arc<Standard>, mailbox: &Mailbox, others: Vec<Endpoint>) -> Result<Plan, Error> {
    let failed = host("the virtio console");
    let (port, source) = standard.port(mailbox.clone()).map_err(&failed)?;
    let first = PortSpec { name: STANDARD_PORT.into(), is_console: true, port };
    let others = others.into_iter().map(Endpoint::into_parts);
    let (ports, mut sources): (Vec<_>, Vec<_>) = [(first, source)].into_iter().chain(others).unzip();
    sources.push(standard.resized().map_err(&failed)?);
    let shared = standard.clone();
    let device = Console::new(ports, Box::new(move || shared.size()));
    Ok(Plan { name: "console".into(), device: Box::new(device), kind: Kind::Console, sources })
}

fn rng() -> Plan {
    Plan {
        name: "rng".into(),
        device: Box::new(Rng::new(entropy::fill)),
        kind: Kind::Rng,
        sources: Vec::new(),
    }
}

fn shares(folders: Vec<Folder>) -> impl Iterator<Item = Plan> {
    let limits = descriptors::limits(folders.len());
    folders.into_iter().enumerate().map(move |(n, Folder { tag, files, .. })| {
        let device: Box<dyn Device> = match files {
            Files::Ours { share, .. } => Box::new(P9::new(&tag, FileServer::new(share, limits))),
            Files::Served(server) => Box::new(P9::new(&tag, RemoteServer::new(server))),
        };
        Plan { name: format!("share{n}"), device, kind: Kind::Share, sources: Vec::new() }
    })
}

fn vsock((cid, programs): (Cid, Host)) -> Result<Plan, Error> {
    let source = programs.source().map_err(host("--vsock: the source of its events"))?;
    let device = Box::new(Vsock::new(cid, programs));
    Ok(Plan { name: "vsock".into(), device, kind: Kind::Vsock, sources: vec![source] })
}
