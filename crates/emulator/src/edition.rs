// SPDX-License-Identifier: Apache-2.0
//! Editions: what an org's licence gives it, as far as its APIs show it (`salesforce-api.md` 2.3, 2.10).
//!
//! The edition is a field of the `Organization` row, which a sandbox has in common with its production org. It decides
//! whether there is an API at all, how many calls a day there are, and some of the limits. A Developer Edition org has the
//! limits that were recorded of one. Of the other editions only the allowance of calls and the storage are known, both from
//! Salesforce's tables of limits; their other limits are those of the emulator's own org.
//!
//! Not modelled: objects and features that an edition lacks, add-ons, the hard ceiling on calls, user licences that run out.

use std::str::FromStr;

use crate::org::Org;
use crate::store::Tx;
use crate::value::Value;

/// What the org was bought as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    Developer,
    /// With the API, which is sold beside it.
    Professional,
    /// As it is sold: every API call is refused with `API_DISABLED_FOR_ORG`.
    ProfessionalWithoutApi,
    Enterprise,
    Unlimited,
    /// Shows itself as Unlimited.
    Performance,
}

/// The names by which editions are chosen on a command line.
const NAMES: [(&str, Edition); 6] = [
    ("developer", Edition::Developer),
    ("professional", Edition::Professional),
    ("professional-without-api", Edition::ProfessionalWithoutApi),
    ("enterprise", Edition::Enterprise),
    ("unlimited", Edition::Unlimited),
    ("performance", Edition::Performance),
];

impl FromStr for Edition {
    type Err = String;

    fn from_str(text: &str) -> Result<Edition, String> {
        let known = NAMES.iter().find(|(name, _)| *name == text);
        let all = || NAMES.map(|(name, _)| name).join(", ");
        known.map(|(_, edition)| *edition).ok_or_else(|| format!("there is no edition {text}; there are {}", all()))
    }
}

/// Full licences of every org, as its `UserLicense` row says.
const LICENCES: u64 = 20;
const SETTING: &str = "edition";

/// The limits of a Developer Edition org, recorded at 49.0, where they differ from the emulator's own.
const OF_DEVELOPER: [(&str, u64); 9] = [
    ("BOZosCalloutHourlyLimit", 20_000),
    ("DailyWorkflowEmails", 405),
    ("DataStorageMB", 45),
    ("FileStorageMB", 20),
    ("HourlyODataCallout", 1_000),
    ("HourlyTimeBasedWorkflow", 50),
    ("MassEmail", 10),
    ("SingleEmail", 15),
    ("StreamingApiConcurrentClients", 20),
];

impl Edition {
    /// `Organization.OrganizationType`.
    pub fn organization_type(self) -> &'static str {
        match self {
            Edition::Developer => "Developer Edition",
            Edition::Professional | Edition::ProfessionalWithoutApi => "Professional Edition",
            Edition::Enterprise => "Enterprise Edition",
            Edition::Unlimited | Edition::Performance => "Unlimited Edition",
        }
    }

    pub fn has_api(self) -> bool {
        self != Edition::ProfessionalWithoutApi
    }

    /// Calls in 24 hours, for an org with this many full licences.
    pub fn daily_api_requests(self, sandbox: bool, licences: u64) -> u64 {
        match self {
            _ if sandbox => 5_000_000,
            Edition::Developer => 15_000,
            Edition::Professional | Edition::ProfessionalWithoutApi | Edition::Enterprise => 100_000 + 1_000 * licences,
            Edition::Unlimited | Edition::Performance => 100_000 + 5_000 * licences,
        }
    }

    /// The largest values of `/limits` that differ from the emulator's own org.
    pub(crate) fn limits(self) -> &'static [(&'static str, u64)] {
        match self {
            Edition::Developer => &OF_DEVELOPER,
            Edition::Professional | Edition::ProfessionalWithoutApi | Edition::Enterprise => {
                &[("DataStorageMB", 10_240 + 20 * LICENCES), ("FileStorageMB", 10_240 + 2_048 * LICENCES)]
            }
            Edition::Unlimited | Edition::Performance => {
                &[("DataStorageMB", 10_240 + 120 * LICENCES), ("FileStorageMB", 10_240 + 2_048 * LICENCES)]
            }
        }
    }
}

/// The edition that was chosen for the org.
pub(crate) fn chosen(tx: &Tx<'_>) -> Option<Edition> {
    let sql = "SELECT value FROM _setting WHERE name = ?1";
    let name = tx.conn.prepare_cached(sql).and_then(|mut found| found.query_row([SETTING], |row| row.get(0)));
    name.ok().and_then(|name: String| name.parse().ok())
}

impl Org {
    /// Makes the org one of this edition, or its sandbox, with the limits that belong to it. A `daily_api_requests` of 0
    /// stands for the edition's own allowance.
    pub fn set_edition(&self, edition: Edition, sandbox: bool, daily_api_requests: u64) {
        let number = self.instance_number();
        self.write(|tx| {
            let Some(organizations) = tx.schema.object("Organization").cloned() else { return Ok(()) };
            let instance = if sandbox { format!("EMU{number}S") } else { format!("EMU{number}") };
            let columns = ["OrganizationType", "IsSandbox", "InstanceName"];
            let values = [edition.organization_type().into(), Value::Bool(sandbox), Value::from(instance.as_str())];
            let values: Vec<&Value> = values.iter().collect();
            tx.update_row(&organizations, &self.id, &columns, &values)?;
            let named = NAMES.iter().find(|(_, known)| *known == edition).map_or("", |(name, _)| name);
            tx.note("INSERT OR REPLACE INTO _setting (name, value) VALUES (?1, ?2)", &[&SETTING, &named]).map(|_| ())
        })
        .expect("the store can be written");
        let allowance = match daily_api_requests {
            0 => edition.daily_api_requests(sandbox, LICENCES),
            given => given,
        };
        self.set_daily_limit(0, allowance);
        self.change_rights();
    }

    /// The edition that was chosen; none for the emulator's own org, a Developer Edition one without its limits.
    pub fn edition(&self) -> Option<Edition> {
        self.read(chosen)
    }

    fn instance_number(&self) -> u64 {
        let name =
            self.read(|tx| Some(tx.row(tx.schema.object("Organization")?, &self.id)?.text("InstanceName").to_owned()));
        let digits: String = name.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(1)
    }
}
