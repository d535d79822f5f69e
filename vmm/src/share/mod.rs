//! Folders of the host's, behind the 9P device's model. The file server is the crate `p9fs`.
//!
//! - [`options`]: `--share tag=…,path=…,ro` → what is wanted
//! - [`folder`]: the folder: found, opened
//! - [`descriptors`]: how many files guests may hold
//! - [`backend`]: what the device's model sees; [`remote`]: the same of a server that is another program

pub mod backend;
pub mod descriptors;
pub mod folder;
pub mod options;
pub mod remote;

pub use backend::FileServer;
pub use folder::{Files, Folder, ShareError};
pub use options::ShareOptions;
pub use remote::RemoteServer;
