//! The rules, run over this workspace.

use crate::workspace::{self, Crate};
use crate::{behaviours, doors, layers, links, lockfile, manifests, places, sources};

fn check(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

fn crates() -> Vec<Crate> {
    let crates = workspace::crates();
    assert!(crates.len() >= 19, "only {} crates found: the search is wrong, not the workspace", crates.len());
    assert!(crates.iter().all(|one| !one.files.is_empty()));
    crates
}

#[test]
fn dependencies_point_down() {
    check(layers::complaints(&crates()));
}

#[test]
fn heavy_dependencies_enter_by_their_door() {
    check(doors::complaints(&crates()));
}

#[test]
fn the_lock_file_is_above_the_floors() {
    let packages = lockfile::packages(&workspace::lockfile());
    assert!(packages.len() > 50);
    check(lockfile::complaints(&packages));
}

#[test]
fn features_are_chosen_once_and_by_name() {
    check(manifests::complaints(&workspace::root_manifest(), &crates()));
}

#[test]
fn sources_are_in_order() {
    check(crates().iter().flat_map(|one| &one.files).flat_map(sources::complaints).collect());
}

#[test]
fn what_clients_depend_on_has_its_tests() {
    let contributing = std::fs::read_to_string(workspace::root().join("CONTRIBUTING.md")).expect("it is there");
    assert!(behaviours::named(&contributing).len() > 30, "the table is not found");
    check(behaviours::complaints(&contributing, crates().iter().flat_map(|one| &one.files)));
}

#[test]
fn time_chance_tasks_and_files_come_from_host() {
    check(places::complaints(&crates()));
}

#[test]
fn texts_speak_of_the_project_alone() {
    let texts = workspace::texts();
    check(texts.iter().flat_map(|(path, text)| sources::foreign_words(path, text)).collect());
}

#[test]
fn links_between_pages_lead_somewhere() {
    let pages = workspace::texts().into_iter().filter(|(path, _)| path.ends_with(".md")).collect();
    check(links::complaints(&pages, |path| workspace::root().join(path).exists()));
}
