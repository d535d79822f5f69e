//! Between a connection from the lab and what is behind its door: each of these runs until the lab's end has gone.

use crate::net::socket::Frames;
use devices::virtio::console::Port;
use devices::virtio::net::request::FRAME_MAX;
use devices::virtio::net::{Backend, Driver, Header};
use p9fs::Server;
use p9fs::server::LARGEST_MESSAGE;
use rustix::event::epoll;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;

/// Bytes that are handed on at once.
const CHUNK: usize = 4096;

/// Answers messages of 9P.
pub fn messages(mut server: Server, stream: UnixStream) -> io::Result<()> {
    let mut stream = File::from(OwnedFd::from(stream));
    let mut message = Vec::new();
    let mut reply = vec![0; LARGEST_MESSAGE as usize];
    loop {
        let mut size = [0; 4];
        match stream.read_exact(&mut size) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let length = u32::from_le_bytes(size);
        if length > LARGEST_MESSAGE || (length as usize) < size.len() {
            return Err(ErrorKind::InvalidData.into());
        }
        message.clear();
        message.extend(size);
        message.resize(length as usize, 0);
        stream.read_exact(&mut message[size.len()..])?;
        let length = server.answer(&message, &mut reply).map_err(io::Error::other)?;
        stream.write_all(&reply[..length])?;
    }
}

/// Carries frames to a network and from there. Those for the lab stay where they are while it has not taken what was there before.
pub fn frames(mut network: Box<dyn Backend>, mut frames: Frames, edges: &Edges) -> io::Result<()> {
    network.start(Driver::default());
    while frames.is_there() {
        frames.flush();
        network.poll();
        while frames.receive(FRAME_MAX, |frame| network.send(&Header::default(), frame)) {}
        while !frames.has_waiting()
            && network.receive(FRAME_MAX, &mut |_: &Header, pieces: &[&[u8]]| frames.send(pieces))
        {}
        if frames.is_there() {
            edges.wait()?;
        }
    }
    Ok(())
}

/// Carries bytes to the other end of a port and from there. `stream` does not wait.
pub fn bytes(mut port: Box<dyn Port>, mut stream: File, edges: &Edges) -> io::Result<()> {
    let (mut to_port, mut to_lab) = (Vec::new(), Vec::new());
    loop {
        // One who has come is let in by this.
        port.is_open();
        if !all_to_port(&mut stream, &mut *port, &mut to_port)? {
            return Ok(());
        }
        all_to_lab(&mut *port, &mut stream, &mut to_lab)?;
        edges.wait()?;
    }
}

/// Hands on what there is, as far as there is room; what is left stays in `waiting`. False: the lab's end has gone.
fn all_to_port(stream: &mut File, port: &mut dyn Port, waiting: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; CHUNK];
    loop {
        if waiting.is_empty() {
            match stream.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(count) => waiting.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
        }
        match port.write(waiting) {
            0 => return Ok(true),
            count => drop(waiting.drain(..count)),
        }
    }
}

/// The other way.
fn all_to_lab(port: &mut dyn Port, stream: &mut File, waiting: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; CHUNK];
    loop {
        if waiting.is_empty() {
            match port.read(&mut chunk) {
                0 => return Ok(()),
                count => waiting.extend_from_slice(&chunk[..count]),
            }
        }
        match stream.write(waiting) {
            Ok(count) => drop(waiting.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Carries what either says to the other, until both have said all.
pub fn both(one: UnixStream, other: UnixStream) -> io::Result<()> {
    let (one_again, other_again) = (one.try_clone()?, other.try_clone()?);
    let back = thread::spawn(move || hand_on(other_again, one_again));
    hand_on(one, other);
    // It has panicked, which has been said.
    drop(back.join());
    Ok(())
}

/// Who has gone says no more and hears no more.
fn hand_on(mut from: UnixStream, mut to: UnixStream) {
    if io::copy(&mut from, &mut to).is_err() {
        drop(from.shutdown(Shutdown::Read));
    }
    drop(to.shutdown(Shutdown::Write));
}

/// Two files, to be waited for until something has happened to one of them.
pub struct Edges(OwnedFd);

impl Edges {
    pub fn of(one: &impl AsFd, other: &impl AsFd) -> io::Result<Self> {
        let edges = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let events = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        for file in [one.as_fd(), other.as_fd()] {
            epoll::add(&edges, file, epoll::EventData::new_u64(0), events)?;
        }
        Ok(Self(edges))
    }

    fn wait(&self) -> io::Result<()> {
        let mut events = Vec::with_capacity(2);
        match epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
