// SPDX-License-Identifier: Apache-2.0
//! Names and sentences, and the texts that break careless software.

use super::random::Random;

/// Texts that a backup must carry unharmed: four-byte characters, line breaks, quotes, delimiters, spaces at both ends, Bulk's own
/// word for null, what spreadsheets run, what shells and markup read, characters without width, letters that combine.
pub const ODD: [&str; 20] = [
    "Zoë 🦀 & Söhne 𝔘𝔫𝔦",
    "First line\nSecond line",
    "Carriage\r\nreturn",
    "She said \"no\", twice",
    "\"",
    "a,b;c\td|e^f`g",
    "  spaces at both ends  ",
    "#N/A",
    "null",
    "=HYPERLINK(\"http://example.com\")",
    "C:\\path\\to\\nowhere\\",
    "<b>bold</b> &amp; <script>x()</script>",
    "'; DROP TABLE Account; --",
    "日本語テキスト",
    "עברית و العربية",
    "e\u{301}\u{327} combining",
    "zero\u{200b}width\u{feff}marks",
    "👩‍👩‍👧‍👦 family of one letter",
    "0012",
    "ends in a newline\n",
];

pub const FIRST: [&str; 24] = [
    "Ada",
    "Björn",
    "Chiara",
    "Daniel",
    "Eun-ji",
    "Fatima",
    "Grace",
    "Hiroshi",
    "Ines",
    "João",
    "Katarzyna",
    "Liam",
    "Mei",
    "Noah",
    "Olga",
    "Priya",
    "Quentin",
    "Rosa",
    "Søren",
    "Tariq",
    "Ursula",
    "Viktor",
    "Wanjiru",
    "Yusuf",
];
pub const LAST: [&str; 24] = [
    "Andersson",
    "Becker",
    "Chen",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Łukasik",
    "Müller",
    "Nakamura",
    "O'Brien",
    "Papadopoulos",
    "Quispe",
    "Rossi",
    "Sato",
    "Türkoğlu",
    "Usman",
    "Vargas",
    "Wójcik",
    "Zimmermann",
];
const COMPANY: [&str; 20] = [
    "Acme", "Borealis", "Cobalt", "Delta", "Eastgate", "Fjord", "Granite", "Harbour", "Iris", "Juniper", "Kestrel",
    "Lumen", "Meridian", "Nimbus", "Orchard", "Pinnacle", "Quarry", "Ridge", "Summit", "Tidal",
];
const TRADE: [&str; 14] = [
    "Logistics",
    "Foods",
    "Energy",
    "Textiles",
    "Robotics",
    "Pharma",
    "Media",
    "Mining",
    "Travel",
    "Security",
    "Optics",
    "Paper",
    "Motors",
    "Software",
];
const FORM: [&str; 8] = ["GmbH", "Inc.", "Ltd", "S.A.", "AB", "K.K.", "B.V.", "LLC"];
/// City, state or province, postal code, country, latitude, longitude.
const PLACES: [(&str, &str, &str, &str, f64, f64); 10] = [
    ("Berlin", "Berlin", "10115", "Germany", 52.532, 13.3846),
    ("San Francisco", "CA", "94105", "USA", 37.7897, -122.3942),
    ("São Paulo", "SP", "01310-100", "Brazil", -23.5614, -46.6565),
    ("東京", "東京都", "100-0001", "日本", 35.6852, 139.7528),
    ("Kraków", "Małopolskie", "31-001", "Poland", 50.0614, 19.9366),
    ("Zürich", "ZH", "8001", "Switzerland", 47.3717, 8.5423),
    ("Nairobi", "Nairobi County", "00100", "Kenya", -1.2864, 36.8172),
    ("Montréal", "QC", "H2Y 1C6", "Canada", 45.5048, -73.5565),
    ("Sydney", "NSW", "2000", "Australia", -33.8688, 151.2093),
    ("Mumbai", "MH", "400001", "India", 18.9388, 72.8354),
];
const WORDS: [&str; 48] = [
    "account", "about", "after", "annual", "answer", "batch", "before", "budget", "call", "change", "check", "client",
    "contract", "cost", "deliver", "delay", "draft", "early", "engine", "finish", "follow", "goods", "height",
    "invoice", "issue", "late", "letter", "market", "meeting", "month", "notice", "order", "part", "plan", "price",
    "quality", "quote", "reason", "repair", "report", "request", "review", "sample", "ship", "site", "supply", "test",
    "urgent",
];

pub struct Place {
    pub street: String,
    pub city: &'static str,
    pub state: &'static str,
    pub postal_code: &'static str,
    pub country: &'static str,
    pub latitude: f64,
    pub longitude: f64,
}

pub fn place(random: &mut Random) -> Place {
    let (city, state, postal_code, country, latitude, longitude) = *random.pick(&PLACES);
    let number = random.between(1, 250);
    let street = if random.once_in(5) {
        format!("{number} Main Street\nBuilding {}", number % 9 + 1)
    } else {
        format!("{number} Main Street")
    };
    let shift = |coordinate: f64, random: &mut Random| ((coordinate + random.fraction() / 10.0) * 1e6).round() / 1e6;
    Place {
        street,
        city,
        state,
        postal_code,
        country,
        latitude: shift(latitude, random),
        longitude: shift(longitude, random),
    }
}

pub fn company(random: &mut Random) -> String {
    format!("{} {} {}", random.pick(&COMPANY), random.pick(&TRADE), random.pick(&FORM))
}

pub fn phone(random: &mut Random) -> String {
    format!("+{} {} {}", random.between(1, 99), random.between(100, 999), random.between(1_000_000, 9_999_999))
}

/// Words that make no sense, with an odd text among them now and then.
pub fn sentence(random: &mut Random, words: u64) -> String {
    let mut text = String::new();
    for place in 0..words {
        if place > 0 {
            text.push(' ');
        }
        text.push_str(random.pick::<&str>(&WORDS));
    }
    if random.once_in(20) {
        text.push(' ');
        text.push_str(random.pick(&ODD).trim_end());
    }
    text
}

/// At least `bytes` of paragraphs with characters of one to four bytes.
pub fn long(random: &mut Random, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 200);
    while text.len() < bytes {
        text.push_str(&sentence(random, 14));
        text.push_str(random.pick::<&str>(&[". ", ".\n", " – ", " 🦀 ", ",\r\n"]));
    }
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oddities_are_what_they_say() {
        let any = |test: fn(&str) -> bool| ODD.iter().any(|text| test(text));
        assert!(any(|text| text.chars().any(|letter| letter.len_utf8() == 4)));
        assert!(any(|text| text.contains('\n')) && any(|text| text.contains("\r\n")));
        assert!(any(|text| text.contains('"') && text.contains(',')));
        assert!(any(|text| text.starts_with(' ') && text.ends_with(' ')));
        assert!(ODD.contains(&"#N/A"));
        assert!(ODD.iter().all(|text| text.chars().count() <= 40), "a first name takes them");
    }

    #[test]
    fn long_texts_are_long() {
        assert!(long(&mut Random::new(1, "long"), 100_000).len() >= 100_000);
    }
}
