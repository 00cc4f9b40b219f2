// SPDX-License-Identifier: Apache-2.0
//! `package.xml` and `destructiveChanges.xml`: which components of which types.

use super::xml::{self, Malformed, Node};

/// Components by type, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    pub types: Vec<(String, Vec<String>)>,
    /// API version, as in `67.0`; empty when the file names none.
    pub version: String,
    /// Name of the package that the components belong to, for a packaged deploy.
    pub full_name: String,
}

impl Manifest {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not well-formed XML.
    pub fn parse(text: &str) -> Result<Manifest, Malformed> {
        Ok(Manifest::of(&xml::parse(text)?))
    }

    /// What an element with `types` and `version` says.
    pub fn of(root: &Node) -> Manifest {
        let mut manifest = Manifest {
            types: Vec::new(),
            version: root.text_of("version").trim().to_owned(),
            full_name: root.text_of("fullName").trim().to_owned(),
        };
        for one in root.all("types") {
            let members: Vec<String> = one.all("members").map(|member| member.text.trim().to_owned()).collect();
            manifest.types.push((one.text_of("name").trim().to_owned(), members));
        }
        manifest
    }

    /// Whether components of a type are all meant.
    pub fn has_all(&self, kind: &str) -> bool {
        self.members(kind).any(|member| member == "*")
    }

    /// Whether a component is named, or all of its type are.
    pub fn names(&self, kind: &str, name: &str) -> bool {
        self.members(kind).any(|member| member == "*" || member.eq_ignore_ascii_case(name))
    }

    /// The members of a type.
    pub fn members<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        let same = move |(name, _): &&(String, Vec<String>)| name == kind;
        self.types.iter().filter(same).flat_map(|(_, members)| members.iter().map(String::as_str))
    }

    /// Adds a component, once.
    pub fn add(&mut self, kind: &str, name: &str) {
        let at = match self.types.iter().position(|(known, _)| known == kind) {
            Some(at) => at,
            None => {
                self.types.push((kind.to_owned(), Vec::new()));
                self.types.len() - 1
            }
        };
        if !self.types[at].1.iter().any(|known| known == name) {
            self.types[at].1.push(name.to_owned());
        }
    }

    /// The file, types and members in the order of their names, as retrieve writes it.
    pub fn document(&self) -> String {
        let mut types = self.types.clone();
        types.sort();
        let mut root = Node::named("Package");
        if !self.full_name.is_empty() {
            root.children.push(Node::leaf("fullName", self.full_name.as_str()));
        }
        for (name, mut members) in types {
            members.sort();
            let mut one = Node::named("types");
            one.children.extend(members.into_iter().map(|member| Node::leaf("members", member)));
            root.children.push(one.with(Node::leaf("name", name)));
        }
        root.with(Node::leaf("version", self.version.as_str())).document()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_and_written() {
        let mut manifest = Manifest { version: "67.0".into(), ..Manifest::default() };
        manifest.add("CustomObject", "B__c");
        manifest.add("CustomObject", "A__c");
        manifest.add("CustomObject", "A__c");
        manifest.add("ApexClass", "*");
        let again = Manifest::parse(&manifest.document()).unwrap();
        assert_eq!(again.types[0], ("ApexClass".to_owned(), vec!["*".to_owned()]));
        assert_eq!(again.types[1].1, ["A__c", "B__c"]);
        assert!(again.names("ApexClass", "Any") && again.has_all("ApexClass") && !again.names("CustomObject", "C__c"));
        assert_eq!(again.version, "67.0");
    }
}
