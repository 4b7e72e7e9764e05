//! Which files are ours. What wrote an allocation down knows a function by a short name and the end of its file's path.

use std::path::Path;

/// Folders of the project that have code.
const FOLDERS: &[&str] = &["storage", "control-plane", "services", "client", "openapi"];
/// Is on every stack, and asked for nothing.
const ALLOCATOR: &str = "allocation_profile.rs";

/// The project's files.
pub struct Sources(Vec<String>);

impl Sources {
    /// Of the project in the working folder.
    pub fn here() -> Sources {
        let mut files = Vec::new();
        FOLDERS.iter().for_each(|folder| gather(Path::new(folder), &mut files));
        files.sort();
        Sources(files)
    }

    #[cfg(test)]
    pub fn of(files: &[&str]) -> Sources {
        Sources(files.iter().map(|file| (*file).to_owned()).collect())
    }

    /// The file of ours that ends so; nothing where there are several, which say nothing.
    pub fn find(&self, end: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|file| file.strip_suffix(end).is_some_and(|before| before.ends_with('/')));
        let one = found.next()?;
        found.next().is_none().then_some(one.as_str())
    }
}

fn gather(folder: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with(ALLOCATOR) {
            into.push(path.display().to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_the_end_of_its_path() {
        let sources = Sources::of(&["a/src/lib.rs", "b/src/lib.rs", "b/src/read/page.rs"]);
        assert_eq!(sources.find("read/page.rs"), Some("b/src/read/page.rs"));
        assert_eq!(sources.find("src/lib.rs"), None, "it is of two");
        assert_eq!(sources.find("ad/page.rs"), None, "a folder is whole");
        assert_eq!(sources.find("vec/mod.rs"), None);
    }
}
