//! Making, renaming and removing. Each begins with the two questions of [`Share::change_in`].

use super::{Kind, Name, Node, Share, file};
use rustix::fs::AtFlags;
use rustix::io::Errno;
use rustix::path::DecInt;

impl Share {
    /// May something in `folder` be changed: is the share writable, and is the folder still in it?
    fn change_in(&self, folder: &Node) -> Result<(), Errno> {
        self.writable()?;
        if folder.kind() != Kind::Folder {
            return Err(Errno::NOTDIR);
        }
        self.inside(folder)
    }

    pub fn make_folder(&self, folder: &Node, name: Name<'_>, wanted: u32) -> Result<Node, Errno> {
        self.change_in(folder)?;
        rustix::fs::mkdirat(folder.descriptor(), name.bytes(), file::mode(wanted))?;
        let made = self.child(folder, name)?;
        // As with files: the process's umask is not to be seen. Whoever put something else there has it left alone.
        if made.kind() == Kind::Folder {
            self.set_mode(&made, wanted)?;
        }
        Ok(made)
    }

    /// Makes a symbolic link. Its target is any text: links are not followed here.
    pub fn make_symlink(&self, folder: &Node, name: Name<'_>, target: &[u8]) -> Result<Node, Errno> {
        self.change_in(folder)?;
        rustix::fs::symlinkat(target, folder.descriptor(), name.bytes())?;
        self.child(folder, name)
    }

    /// Gives a file another name.
    pub fn link(&self, node: &Node, folder: &Node, name: Name<'_>) -> Result<(), Errno> {
        self.change_in(folder)?;
        self.inside(node)?;
        let link = DecInt::from_fd(node.descriptor());
        let follow = AtFlags::SYMLINK_FOLLOW;
        rustix::fs::linkat(&self.descriptors, link.as_c_str(), folder.descriptor(), name.bytes(), follow)
    }

    pub fn rename(&self, from: &Node, name: Name<'_>, to: &Node, new: Name<'_>) -> Result<(), Errno> {
        self.change_in(from)?;
        self.change_in(to)?;
        rustix::fs::renameat(from.descriptor(), name.bytes(), to.descriptor(), new.bytes())
    }

    /// Renames a file that is known by itself and not by its name.
    pub fn rename_node(&self, node: &Node, to: &Node, new: Name<'_>) -> Result<(), Errno> {
        self.writable()?;
        let (folder, name) = self.locate(node)?;
        self.rename(&folder, Name::new(&name)?, to, new)
    }

    /// Removes the name of a file, or, if so said, an empty folder.
    pub fn remove(&self, folder: &Node, name: Name<'_>, is_folder: bool) -> Result<(), Errno> {
        self.change_in(folder)?;
        let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(folder.descriptor(), name.bytes(), flags)
    }

    /// Removes a file that is known by itself and not by its name.
    pub fn remove_node(&self, node: &Node) -> Result<(), Errno> {
        self.writable()?;
        let (folder, name) = self.locate(node)?;
        self.remove(&folder, Name::new(&name)?, node.kind() == Kind::Folder)
    }
}
