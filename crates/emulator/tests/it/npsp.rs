// SPDX-License-Identifier: Apache-2.0
//! The files of NPSP: read with their tokens filled in, completed by what the fixtures leave out, and found again in what a
//! retrieve gives.

mod packages;
pub mod shown;

use std::collections::BTreeMap;
use std::path::Path;

pub use packages::{filter_groups, managed, packages};

/// Files of a part of the project, by their path in the fixtures.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// Reads a folder of the project.
pub fn tree(root: &Path, folder: &str) -> Tree {
    let mut found = Tree::new();
    walk(root, &root.join(folder), &mut found);
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Tree) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, found);
            continue;
        }
        let relative = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        found.insert(relative, std::fs::read(&path).unwrap());
    }
}

/// What CumulusCI puts for tokens in an org without a namespace, unmanaged.
pub fn inject(text: &str) -> String {
    text.replace("%%%NAMESPACE%%%", "")
        .replace("%%%NAMESPACED_ORG%%%", "")
        .replace("%%%NAMESPACE_OR_C%%%", "c")
        .replace("___NAMESPACE___", "")
}

/// The same of a whole part: names of files and what is text of their content.
pub fn injected(tree: &Tree) -> Tree {
    let body = |body: &[u8]| std::str::from_utf8(body).map_or_else(|_| body.to_vec(), |text| inject(text).into_bytes());
    tree.iter().map(|(path, content)| (inject(path), body(content))).collect()
}

/// Program code and other contents that the fixtures leave out, one of its own for each description of some.
pub fn supplied(tree: &Tree) -> Tree {
    let mut found = Tree::new();
    for path in tree.keys() {
        let Some(content) = path.strip_suffix("-meta.xml") else { continue };
        let (stem, suffix) = content.rsplit_once('.').unwrap_or((content, ""));
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let name = stem.rsplit('/').next().unwrap_or(stem);
        let mut give = |path: String, body: Vec<u8>| {
            if !tree.contains_key(&path) {
                found.insert(path, body);
            }
        };
        let code = format!("/* \u{e4}\u{f6}\u{1f332} & <{content}>\r\n\tline 2\n */").into_bytes();
        let image = || (0..=255u8).cycle().take(1_000 + stem.len()).collect::<Vec<u8>>();
        match suffix {
            "cls" | "trigger" | "page" | "email" => give(content.to_owned(), code),
            "component" if folder.ends_with("/components") => give(content.to_owned(), code),
            "asset" => give(content.to_owned(), image()),
            "resource"
                if tree
                    .range(format!("{stem}/")..)
                    .next()
                    .is_some_and(|(at, _)| at.starts_with(&format!("{stem}/"))) =>
            {
                give(format!("{stem}/image.png"), image());
            }
            "resource" => give(format!("{stem}.json"), code),
            "document" if !tree.contains_key(&format!("{stem}.csv")) => give(format!("{stem}.png"), image()),
            "js" if folder.contains("/lwc/") => {
                give(content.to_owned(), code.clone());
                give(format!("{stem}.html"), code.clone());
                give(format!("{folder}/__tests__/{name}.test.js"), code);
            }
            "cmp" | "evt" | "intf" | "tokens" if folder.contains("/aura/") => {
                give(content.to_owned(), code.clone());
                if suffix == "cmp" {
                    give(format!("{stem}Controller.js"), code.clone());
                    give(format!("{stem}.css"), code);
                }
            }
            _ => {}
        }
    }
    found
}
