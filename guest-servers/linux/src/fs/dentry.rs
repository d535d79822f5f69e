//! A name in a directory, and what it leads to.
//!
//! Dentries know their parents, so a path can be written down from any of them at any time (`getcwd`, the links in
//! `/proc`), and a rename changes the one dentry that everybody holds. The root of a mounted file system
//! takes the name and the parent of the directory it covers, so that neither `..` nor paths need to know about mounts.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use super::inode::Inode;

pub struct Dentry {
    name: RefCell<Box<[u8]>>,
    /// `None`: the root of everything, or something without a place in the tree (a pipe).
    parent: RefCell<Option<Rc<Dentry>>>,
    inode: Rc<dyn Inode>,
    /// The root of the file system that is mounted here.
    covered_by: RefCell<Option<Rc<Dentry>>>,
    /// The name was removed.
    deleted: Cell<bool>,
}

impl Dentry {
    /// A dentry in the directory `parent`.
    pub fn new(parent: &Rc<Dentry>, name: &[u8], inode: Rc<dyn Inode>) -> Rc<Self> {
        Self::make(Some(parent.clone()), name, inode)
    }

    /// The root of a tree.
    pub fn new_root(inode: Rc<dyn Inode>) -> Rc<Self> {
        Self::make(None, b"/", inode)
    }

    /// Something that is in no directory; its name says what it is, as in `pipe:[7]`.
    pub fn new_anonymous(name: &[u8], inode: Rc<dyn Inode>) -> Rc<Self> {
        Self::make(None, name, inode)
    }

    fn make(parent: Option<Rc<Dentry>>, name: &[u8], inode: Rc<dyn Inode>) -> Rc<Self> {
        Rc::new(Self {
            name: RefCell::new(name.into()),
            parent: RefCell::new(parent),
            inode,
            covered_by: RefCell::new(None),
            deleted: Cell::new(false),
        })
    }

    pub fn inode(&self) -> &Rc<dyn Inode> {
        &self.inode
    }

    pub fn name(&self) -> Box<[u8]> {
        self.name.borrow().clone()
    }

    pub fn parent(&self) -> Option<Rc<Dentry>> {
        self.parent.borrow().clone()
    }

    /// Whether the name was removed (unlink, rmdir, or another put in its place).
    pub fn is_deleted(&self) -> bool {
        self.deleted.get()
    }

    pub fn mark_deleted(&self) {
        self.deleted.set(true);
    }

    /// Moves the dentry: a rename.
    pub fn set_place(&self, parent: &Rc<Dentry>, name: &[u8]) {
        *self.name.borrow_mut() = name.into();
        *self.parent.borrow_mut() = Some(parent.clone());
    }

    /// Puts the tree of `root` in this directory's place.
    pub fn mount(&self, root: &Rc<Dentry>) {
        *root.name.borrow_mut() = self.name();
        *root.parent.borrow_mut() = self.parent();
        *self.covered_by.borrow_mut() = Some(root.clone());
    }

    pub fn is_mount_point(&self) -> bool {
        self.covered_by.borrow().is_some()
    }

    /// What is seen here: the root of what is mounted, or the dentry itself.
    pub fn uncovered(self: &Rc<Self>) -> Rc<Self> {
        let mut top = self.clone();
        loop {
            let next = top.covered_by.borrow().clone();
            match next {
                Some(root) => top = root,
                None => return top,
            }
        }
    }

    /// Whether `self` is `other` or inside it.
    pub fn is_within(self: &Rc<Self>, other: &Rc<Self>) -> bool {
        let mut at = Some(self.clone());
        while let Some(dentry) = at {
            if Rc::ptr_eq(&dentry, other) {
                return true;
            }
            at = dentry.parent();
        }
        false
    }

    /// The path as seen from `root`, with " (deleted)" behind it if the name is gone, as in the links of `/proc`.
    pub fn path(self: &Rc<Self>, root: &Rc<Dentry>) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = self.clone();
        while !Rc::ptr_eq(&at, root) {
            match at.parent() {
                Some(parent) => {
                    names.push(at.name());
                    at = parent;
                }
                None => {
                    if &*at.name() != b"/" {
                        return at.name().into_vec();
                    }
                    break;
                }
            }
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        if self.is_deleted() {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }
}

/// A program can stand in a directory all of whose ancestors are removed: thousands of dentries that only hold each other.
/// They are dropped one by one, because the server's stack is small.
impl Drop for Dentry {
    fn drop(&mut self) {
        let mut next = self.parent.get_mut().take();
        while let Some(mut dentry) = next.and_then(Rc::into_inner) {
            next = dentry.parent.get_mut().take();
        }
    }
}

impl fmt::Debug for Dentry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dentry({})", self.name.borrow().escape_ascii())
    }
}
