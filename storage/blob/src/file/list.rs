//! Listing a folder tree in the order of keys.

use std::io;
use std::path::Path;

use tidelog_host::Disk;

use crate::{Key, ListedObject};

/// Objects below `root` whose key starts with `prefix` and is greater than `after`, in order, `count_max` at most.
pub(super) fn list(
    disk: &dyn Disk,
    root: &Path,
    prefix: &str,
    after: Option<&Key>,
    count_max: usize,
) -> io::Result<Vec<ListedObject>> {
    let after = after.map_or("", Key::as_str);
    let mut walk = Walk { disk, root, prefix, after, count_max, found: Vec::new() };
    walk.folder("")?;
    Ok(walk.found)
}

struct Walk<'a> {
    disk: &'a dyn Disk,
    root: &'a Path,
    prefix: &'a str,
    after: &'a str,
    count_max: usize,
    found: Vec<ListedObject>,
}

impl Walk<'_> {
    /// `folder` is empty or ends with `/`.
    ///
    /// Names come sorted, but keys have a `/` after a folder's name, and `-` and `.` sort before it: a folder `a` comes
    /// after `a-b`. So folders wait until the next name is greater than they are with their `/`. Nothing is asked about
    /// a name before its turn, for a folder may hold many.
    fn folder(&mut self, folder: &str) -> io::Result<()> {
        let names = match self.disk.list(&self.root.join(folder)) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            names => names?,
        };
        let mut waiting: Vec<String> = Vec::new();
        for name in names {
            let Some(key) = name.to_str().and_then(|name| Key::received(&format!("{folder}{name}"))) else { continue };
            while let Some(first) = waiting.pop_if(|first| first.as_str() < key.as_str()) {
                self.folder(&first)?;
            }
            if self.found.len() >= self.count_max {
                return Ok(());
            }
            self.name(key, &mut waiting)?;
        }
        while let Some(first) = waiting.pop() {
            self.folder(&first)?;
        }
        Ok(())
    }

    fn name(&mut self, key: Key, waiting: &mut Vec<String>) -> io::Result<()> {
        let text = key.as_str();
        let as_folder = format!("{text}/");
        let may_be_listed = text.starts_with(self.prefix) && text > self.after;
        let may_hold_listed = (as_folder.starts_with(self.prefix) || self.prefix.starts_with(&as_folder))
            && (as_folder.as_str() > self.after || self.after.starts_with(&as_folder));
        if !may_be_listed && !may_hold_listed {
            return Ok(());
        }
        match self.disk.stat(&self.root.join(text)) {
            Ok(stat) if stat.is_dir && may_hold_listed => waiting.push(as_folder),
            Ok(stat) if !stat.is_dir && may_be_listed => self.found.push(ListedObject { key, bytes: stat.bytes }),
            // Removed since it was listed, by someone else.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(())
    }
}
