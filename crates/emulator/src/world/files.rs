// SPDX-License-Identifier: Apache-2.0
//! Files in versions, linked to records of many objects, and attachments.
//!
//! Sizes are skewed: the first file is empty, the second is the largest, the others lie between 16 bytes and 1.8 MB, evenly over the
//! orders of magnitude. Every fifth file has more versions, every eighth the content of an earlier one, and some versions repeat their
//! predecessor. With 25,000 records there are 200 files of about 60 MB altogether; smaller worlds have smaller files, larger
//! ones a thousandth of their records more files.

use super::activities::in_turn;
use super::random::Random;
use super::record::Record;
use super::text::sentence;
use super::{World, WorldError, maybe_odd};
use crate::org::Org;
use crate::store::Tx;

const LARGEST_BYTES: u64 = 20 << 20;
const SMALLEST_BYTES: u64 = 16;
const USUAL_BYTES: u64 = 1_800_000;
/// The world that the sizes are meant for.
const FULL: u64 = 25_000;

const LINKED: [&str; 9] =
    ["Account", "Contact", "Opportunity", "Case", "Lead", "Project__c", "Campaign", "Contract", "Product2"];
const ATTACHED: [&str; 5] = ["Account", "Contact", "Opportunity", "Case", "Lead"];
/// File name extension and whether the content is text.
const KINDS: [(&str, bool); 6] =
    [("txt", true), ("pdf", false), ("png", false), ("csv", true), ("docx", false), ("json", true)];

/// What decides the bytes of a content.
#[derive(Clone, Copy)]
struct Content {
    seed: u64,
    bytes: u64,
    text: bool,
}

pub fn make(world: &mut World, org: &Org) -> Result<(), WorldError> {
    if world.schema.object("ContentVersion").is_some() {
        let files = (world.records.min(FULL) / 125 + world.records.saturating_sub(FULL) / 1000).max(12);
        let mut contents: Vec<Content> = Vec::new();
        world.each(org, "ContentVersion", files, |world, tx, number| file(world, tx, number, &mut contents))?;
    }
    let attachments = world.share("Attachment");
    world.each(org, "Attachment", attachments, |world, tx, number| {
        let bytes = world.random.between(1, 5_000).unsigned_abs();
        let content = Content { seed: world.random.next(), bytes, text: number.is_multiple_of(2) };
        let parent = in_turn(world, "Attachment", "ParentId", &ATTACHED, number);
        let record = Record::new()
            .maybe("ParentId", parent)
            .text("Name", maybe_odd(number, 4, format!("attachment {}.bin", number + 1)))
            .text("ContentType", "application/octet-stream")
            .text("Description", sentence(&mut world.random, 4))
            .bytes("Body", bytes_of(content));
        world.insert(tx, "Attachment", record).map(drop)
    })
}

fn file(world: &mut World, tx: &mut Tx<'_>, number: u64, contents: &mut Vec<Content>) -> Result<(), WorldError> {
    let (extension, text) = *world.random.pick(&KINDS);
    let content = match number {
        0 => Content { seed: 0, bytes: 0, text },
        // The first two stay alone: the largest would double the sum.
        _ if number % 8 == 7 => *world.random.pick(&contents[2..]),
        1 => Content { seed: 1, bytes: LARGEST_BYTES.min(world.records * 1000), text: false },
        _ => Content { seed: world.random.next(), bytes: usual_size(world), text },
    };
    contents.push(content);
    let title = maybe_odd(number, 6, format!("File {}", number + 1));
    let location = in_turn(world, "ContentVersion", "FirstPublishLocationId", &LINKED, number);
    let first = version(&title, extension, content)
        .maybe("FirstPublishLocationId", location.clone())
        .text("Description", sentence(&mut world.random, 8));
    let id = world.insert(tx, "ContentVersion", first)?;
    let Some(document) = world.read(tx, "ContentVersion", &id, "ContentDocumentId") else { return Ok(()) };
    if number % 5 == 4 {
        for next in 0..=number % 3 {
            // The second version has the bytes of the first, the others their own.
            let content =
                if next == 0 { content } else { Content { seed: world.random.next(), bytes: usual_size(world), text } };
            let record = version(&title, extension, content)
                .text("ContentDocumentId", &*document)
                .text("ReasonForChange", maybe_odd(number, 2, "corrected".to_owned()));
            world.insert(tx, "ContentVersion", record)?;
        }
    }
    if number.is_multiple_of(3) {
        let other = in_turn(world, "ContentDocumentLink", "LinkedEntityId", &LINKED, number / 3 + 1);
        if other.is_some() && other != location {
            let record = Record::new()
                .text("ContentDocumentId", document)
                .maybe("LinkedEntityId", other)
                .text("ShareType", "V")
                .text("Visibility", "AllUsers");
            world.insert(tx, "ContentDocumentLink", record)?;
        }
    }
    Ok(())
}

fn version(title: &str, extension: &str, content: Content) -> Record {
    let name = title.trim().replace(['/', '\\', '\r', '\n'], "_");
    Record::new()
        .text("Title", title)
        .text("PathOnClient", format!("{name}.{extension}"))
        .bytes("VersionData", bytes_of(content))
}

/// Evenly spread over the orders of magnitude.
fn usual_size(world: &mut World) -> u64 {
    let most = (USUAL_BYTES * world.records.min(FULL) / FULL).max(SMALLEST_BYTES * 4) as f64;
    let least = SMALLEST_BYTES as f64;
    (least * (most / least).powf(world.random.fraction())) as u64
}

fn bytes_of(content: Content) -> Vec<u8> {
    let length = usize::try_from(content.bytes).unwrap_or(0);
    let mut random = Random::new(content.seed, "content");
    let mut bytes = Vec::with_capacity(length + 64);
    if content.text {
        // Lines that repeat, as those of real texts do.
        let lines: Vec<String> = (0..40).map(|_| sentence(&mut random, 9) + "\n").collect();
        while bytes.len() < length {
            bytes.extend_from_slice(random.pick(&lines).as_bytes());
        }
    } else {
        while bytes.len() < length {
            bytes.extend_from_slice(&random.next().to_le_bytes());
        }
    }
    bytes.truncate(length);
    bytes
}
