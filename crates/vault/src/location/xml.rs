// SPDX-License-Identifier: Apache-2.0
//! The little that is read of an S3 service's answers.

use quick_xml::Reader;
use quick_xml::events::Event;

/// A version of an object, or a mark that it was removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    pub key: String,
    pub id: String,
}

/// Calls `found` with each element's name and its text, when it ends. What is no XML has no elements.
fn each(xml: &str, mut found: impl FnMut(&str, &str)) {
    let mut reader = Reader::from_str(xml);
    let mut text = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => text.clear(),
            Ok(Event::Text(piece)) => text.push_str(&piece.xml10_content()),
            Ok(Event::GeneralRef(entity)) => {
                text.push_str(quick_xml::escape::resolve_predefined_entity(&entity).unwrap_or_default());
            }
            Ok(Event::End(end)) => {
                found(end.local_name().as_ref(), &text);
                text.clear();
            }
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// The text of the first element of this name.
pub(super) fn text(xml: &str, tag: &str) -> Option<String> {
    let mut first = None;
    each(xml, |name, text| {
        if name == tag && first.is_none() {
            first = Some(text.to_owned());
        }
    });
    first
}

/// Those in a list of versions, as listed: of one key the newest first.
pub(super) fn versions(xml: &str) -> Vec<Version> {
    let (mut versions, mut version) = (Vec::new(), Version::default());
    each(xml, |name, text| match name {
        "Key" => version.key = text.to_owned(),
        "VersionId" => version.id = text.to_owned(),
        "Version" | "DeleteMarker" => versions.push(std::mem::take(&mut version)),
        _ => {}
    });
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_marks_are_listed_with_their_keys() {
        let xml = "<?xml version=\"1.0\"?><ListVersionsResult><Name>vaults</Name><Prefix>a/b</Prefix><KeyMarker></KeyMarker>\
            <DeleteMarker><Key>a/b</Key><VersionId>3</VersionId><IsLatest>true</IsLatest></DeleteMarker>\
            <Version><Key>a/b&amp;c</Key><VersionId>2/x</VersionId><Owner><ID>o</ID></Owner></Version></ListVersionsResult>";
        let version = |key: &str, id: &str| Version { key: key.into(), id: id.into() };
        assert_eq!(versions(xml), [version("a/b", "3"), version("a/b&c", "2/x")]);
        assert_eq!(text(xml, "Prefix").as_deref(), Some("a/b"));
        assert_eq!(text(xml, "NextKeyMarker"), None);
        assert_eq!(text("no XML", "Name"), None);
    }
}
