//! Manifests: versions and features are chosen once, in the root, and nothing comes in by default.

use crate::workspace::Crate;

/// Root dependencies that keep their default features, and members that choose for themselves.
#[must_use]
pub fn complaints(root: &toml::Table, crates: &[Crate]) -> Vec<String> {
    let mut found = Vec::new();
    let shared = root.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    for (name, value) in shared.and_then(toml::Value::as_table).into_iter().flatten() {
        let ours = value.get("path").is_some();
        let off = value.get("default-features").and_then(toml::Value::as_bool) == Some(false);
        if !ours && !off {
            found
                .push(format!("{name} keeps its default features: say default-features = false and name what is used"));
        }
    }
    for one in crates {
        for dependency in one.dependencies.iter().filter(|dependency| !dependency.inherited) {
            found.push(format!("{} states {} itself: use workspace = true", one.name, dependency.name));
        }
        if !one.inherits_lints {
            found.push(format!("{} does not take the workspace's lints", one.name));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::dependencies_of;

    #[test]
    fn default_features_are_named() {
        let root = "[workspace.dependencies]\na = \"1\"\nb = { version = \"1\" }\n\
            c = { version = \"1\", default-features = false }\nd = { path = \"d\" }\n";
        assert_eq!(complaints(&root.parse().expect("valid"), &[]).len(), 2);
    }

    #[test]
    fn own_versions_and_own_lints_are_named() {
        let manifest =
            "[dependencies]\na.workspace = true\nb = \"1\"\n[target.'cfg(unix)'.dev-dependencies]\nc = \"1\"\n";
        let dependencies = dependencies_of(&manifest.parse().expect("valid"));
        let one = Crate { name: "one".to_owned(), dependencies, inherits_lints: false, files: Vec::new() };
        assert_eq!(complaints(&toml::Table::new(), &[one]).len(), 3);
    }
}
