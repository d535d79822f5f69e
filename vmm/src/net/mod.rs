//! Networks: what is behind the network device's model.
//!
//! - [`options`]: `--net user,hostfwd=…` → what is wanted
//! - [`user`]: a network of its own, by the crate `usernet`, for which no rights are needed
//! - [`tap`]: a network interface of the host
//! - [`socket`]: another program

pub mod options;
pub mod socket;
pub mod tap;
pub mod user;

pub use options::NetOptions;

use options::Kind;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket::Frames;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use tap::{Tap, TapError};
use user::UserNet;

/// Open files that one user network may need, with something for the rest of us.
const FILES: u64 = 1024;

/// A network that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error(transparent)]
    Options(#[from] crate::options::SubOptionError),
    #[error("--net user: {0}; name another port, or end who has it")]
    Listen(#[from] usernet::gateway::ListenError),
    #[error("--net user: epoll: {0}")]
    Epoll(std::io::Error),
    #[error("--net tap,name={name}: {error}")]
    Tap { name: String, error: TapError },
    #[error("--net socket: nobody can be reached at {}: {source}", path.display())]
    Socket { path: PathBuf, source: std::io::Error },
    #[error("--net {kind}: {source}")]
    Copy { kind: &'static str, source: std::io::Error },
}

/// A network that is there, and who the guest is in it.
pub struct Network {
    pub mac: [u8; 6],
    pub link: Link,
    /// What becomes readable when it has something to do.
    pub source: OwnedFd,
}

/// What a network is.
pub enum Link {
    User(Box<UserNet>),
    Tap(Tap),
    Socket(Frames),
}

impl Network {
    /// Opens what was asked for. `number` of those there are before make the hardware address, where none is given.
    pub fn open(options: NetOptions, number: usize) -> Result<Self, NetError> {
        let mac = options.mac.unwrap_or_else(|| options::default_mac(number));
        let (link, source) = match options.kind {
            Kind::User { forwards, mtu } => {
                let net = UserNet::new(mac, forwards, mtu)?;
                let source = net.source().map_err(|source| NetError::Copy { kind: "user", source })?;
                (Link::User(Box::new(net)), source)
            }
            Kind::Tap { name } => {
                let tap = Tap::open(&name).map_err(|error| NetError::Tap { name, error })?;
                let source = tap.source().map_err(|source| NetError::Copy { kind: "tap", source })?;
                (Link::Tap(tap), source)
            }
            Kind::Socket { path } => {
                let frames = Frames::connect(&path).map_err(|source| NetError::Socket { path, source })?;
                let source = frames.source().map_err(|source| NetError::Copy { kind: "socket", source })?;
                (Link::Socket(frames), source)
            }
        };
        Ok(Self { mac, link, source })
    }

    /// Opens all of them.
    pub fn open_all(wanted: Vec<NetOptions>) -> Result<Vec<Self>, NetError> {
        let users = wanted.iter().filter(|options| matches!(options.kind, Kind::User { .. })).count();
        allow_files(users as u64);
        wanted.into_iter().enumerate().map(|(number, options)| Self::open(options, number)).collect()
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.link {
            Link::User(_) => "user",
            Link::Tap(_) => "tap",
            Link::Socket(_) => "socket",
        };
        write!(f, "Network({kind}, {:02x?})", self.mac)
    }
}

/// Each connection is a file. The usual limit is for programs that use `select`, which we do not.
fn allow_files(networks: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(u64::MAX).min(FILES * (1 + networks));
    if networks > 0
        && current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
