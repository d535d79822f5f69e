//! Directories: names by name, and in the order in which they were made.
//!
//! The position that getdents goes by is the serial number of the entry, so that adding and removing others never makes a
//! reader skip or repeat one.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::any::Any;
use core::cell::RefCell;

use super::node::{Body, Node};
use crate::errno::{Errno, Result};
use crate::fs::context::FsContext;
use crate::fs::dentry::Dentry;
use crate::fs::inode::{DirEntry, Directory, FIRST_ENTRY, Inode, New};
use crate::fs::metadata::Time;

/// The entries of a directory.
#[derive(Default)]
pub struct Entries {
    by_name: BTreeMap<Box<[u8]>, u64>,
    by_position: BTreeMap<u64, Rc<Dentry>>,
    next: u64,
}

impl Entries {
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    fn get(&self, name: &[u8]) -> Option<&Rc<Dentry>> {
        self.by_position.get(self.by_name.get(name)?)
    }

    fn insert(&mut self, name: &[u8], dentry: Rc<Dentry>) {
        let position = self.next.max(FIRST_ENTRY);
        self.next = position + 1;
        self.by_name.insert(name.into(), position);
        self.by_position.insert(position, dentry);
    }

    fn remove(&mut self, name: &[u8]) -> Option<Rc<Dentry>> {
        self.by_position.remove(&self.by_name.remove(name)?)
    }
}

/// The inode as one of this file system (of which kind the callers have made sure, by the device number).
fn node(inode: &Rc<dyn Inode>) -> Result<&Node> {
    (&**inode as &dyn Any).downcast_ref::<Node>().ok_or(Errno::EXDEV)
}

impl Node {
    fn entries(&self) -> Result<&RefCell<Entries>> {
        match &self.body {
            Body::Directory(entries) => Ok(entries),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn is_dir(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    fn add_link(&self, n: i32) {
        self.links.set(self.links.get().saturating_add_signed(n));
    }

    fn insert(&self, name: &[u8], dentry: Rc<Dentry>, now: Time) -> Result<()> {
        self.entries()?.borrow_mut().insert(name, dentry);
        self.touch_modified(now);
        Ok(())
    }

    /// What losing its name means for `node`, an entry of this directory.
    fn drop_name(&self, dentry: &Dentry, node: &Node, now: Time) {
        dentry.mark_deleted();
        node.touch(|o| o.changed = now);
        if node.is_dir() {
            // `..` of the directory named this one.
            self.add_link(-1);
            node.links.set(0);
        } else {
            if node.links.get() > 1 {
                self.fs.limits.give_inode();
            }
            node.add_link(-1);
        }
    }

    fn check_removable(&self, child: &Node) -> Result<()> {
        if child.is_dir() && child.entries()?.borrow().len() > 0 {
            return Err(Errno::ENOTEMPTY);
        }
        Ok(())
    }
}

impl Directory for Node {
    fn lookup(&self, _dir: &Rc<Dentry>, name: &[u8], _ctx: &FsContext<'_>) -> Result<Rc<Dentry>> {
        self.entries()?.borrow().get(name).cloned().ok_or(Errno::ENOENT)
    }

    fn create(&self, dir: &Rc<Dentry>, name: &[u8], new: New<'_>, ctx: &FsContext<'_>) -> Result<Rc<Dentry>> {
        if self.entries()?.borrow().get(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let node = self.fs.new_node(new, &self.owner.get(), ctx)?;
        if node.is_dir() {
            self.add_link(1);
        }
        let dentry = Dentry::new(dir, name, node);
        self.insert(name, dentry.clone(), ctx.now())?;
        Ok(dentry)
    }

    fn link(&self, dir: &Rc<Dentry>, name: &[u8], target: &Rc<dyn Inode>, now: Time) -> Result<Rc<Dentry>> {
        if self.entries()?.borrow().get(name).is_some() {
            return Err(Errno::EEXIST);
        }
        // Names cost memory too, so every one counts as an inode, as on Linux.
        self.fs.limits.take_inode()?;
        let node = node(target)?;
        node.add_link(1);
        node.touch(|o| o.changed = now);
        let dentry = Dentry::new(dir, name, target.clone());
        self.insert(name, dentry.clone(), now)?;
        Ok(dentry)
    }

    fn remove(&self, child: &Rc<Dentry>, now: Time) -> Result<()> {
        let node = node(child.inode())?;
        self.check_removable(node)?;
        let removed = self.entries()?.borrow_mut().remove(&child.name());
        self.drop_name(child, node, now);
        self.touch_modified(now);
        drop(removed);
        Ok(())
    }

    fn rename(
        &self,
        child: &Rc<Dentry>,
        to: &Rc<Dentry>,
        name: &[u8],
        replaced: Option<&Rc<Dentry>>,
        now: Time,
    ) -> Result<()> {
        let target = node(to.inode())?;
        let moved = node(child.inode())?;
        if let Some(replaced) = replaced {
            target.check_removable(node(replaced.inode())?)?;
            target.entries()?.borrow_mut().remove(name);
            target.drop_name(replaced, node(replaced.inode())?, now);
        }
        let dentry = self.entries()?.borrow_mut().remove(&child.name()).ok_or(Errno::ENOENT)?;
        dentry.set_place(to, name);
        if moved.is_dir() {
            self.add_link(-1);
            target.add_link(1);
        }
        moved.touch(|o| o.changed = now);
        self.touch_modified(now);
        target.insert(name, dentry, now)
    }

    fn exchange(&self, child: &Rc<Dentry>, other: &Rc<Dentry>, now: Time) -> Result<()> {
        let (Some(here), Some(there)) = (child.parent(), other.parent()) else { return Err(Errno::EBUSY) };
        let target = node(there.inode())?;
        let (name, other_name) = (child.name(), other.name());
        let a = self.entries()?.borrow_mut().remove(&name).ok_or(Errno::ENOENT)?;
        let b = target.entries()?.borrow_mut().remove(&other_name).ok_or(Errno::ENOENT)?;
        let (a_node, b_node) = (node(child.inode())?, node(other.inode())?);
        let moves = i32::from(a_node.is_dir()) - i32::from(b_node.is_dir());
        self.add_link(-moves);
        target.add_link(moves);
        for node in [a_node, b_node] {
            node.touch(|o| o.changed = now);
        }
        a.set_place(&there, &other_name);
        b.set_place(&here, &name);
        target.insert(&other_name, a, now)?;
        self.insert(&name, b, now)
    }

    fn read(
        &self,
        from: u64,
        _ctx: &FsContext<'_>,
        each: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        // The reader copies to a program's memory, which may fault: nothing is borrowed meanwhile.
        let mut position = from;
        loop {
            let next =
                self.entries()?.borrow().by_position.range(position..).next().map(|(&p, d)| (p, d.clone()));
            let Some((at, dentry)) = next else { return Ok(()) };
            position = at + 1;
            let meta = dentry.uncovered().inode().metadata();
            let entry = DirEntry { inode: meta.inode, kind: meta.kind, name: &dentry.name(), next: position };
            if !each(entry) {
                return Ok(());
            }
        }
    }
}
