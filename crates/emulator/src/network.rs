// SPDX-License-Identifier: Apache-2.0
//! From where and when users may come in: the org's trusted networks, login ranges and login hours of profiles.
//!
//! The address of a request is the first of `X-Forwarded-For`, else that of the socket's other end; a request in the same
//! process without the header has none and counts as trusted. It is known to whoever answers the request through
//! [`client`], so that not every function on the way has to carry it.
//!
//! As Salesforce documents it: a profile's ranges refuse every sign-in from elsewhere, and every request with
//! `enforce_on_every_request`; its hours refuse sign-ins, and end sessions; outside the trusted networks a password needs
//! the security token behind it, unless the profile has ranges of its own. Hours are those of GMT, the time zone of the
//! emulated org. What the networks say is part of the process, not of the store.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;

use http::HeaderMap;

use crate::faces::lock;
use crate::org::Org;
use crate::request;
use crate::sign_in::NoEntry;

/// Addresses from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange {
    pub from: IpAddr,
    pub to: IpAddr,
}

impl IpRange {
    pub fn contains(&self, address: IpAddr) -> bool {
        // An IPv4 address in an IPv6 socket is the same address.
        let plain = |address: IpAddr| address.to_canonical();
        let (from, to, address) = (plain(self.from), plain(self.to), plain(address));
        from.is_ipv4() == address.is_ipv4() && (from..=to).contains(&address)
    }
}

/// What an org says of networks and hours.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    /// Where passwords need no security token; everywhere when there are none.
    pub trusted: Vec<IpRange>,
    /// Login ranges by profile Id; a profile without any has no restriction.
    pub login_ranges: BTreeMap<String, Vec<IpRange>>,
    /// First and last minute of the day, the last one excluded, by profile Id.
    pub login_hours: BTreeMap<String, (u32, u32)>,
    /// "Enforce login IP ranges on every request" of the session settings.
    pub enforce_on_every_request: bool,
}

/// The other end of a request's socket, among the extensions of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket(pub IpAddr);

tokio::task_local! {
    static CLIENT: Option<IpAddr>;
}

/// The other end of the request that is being answered.
pub fn client() -> Option<IpAddr> {
    CLIENT.try_with(|client| *client).ok().flatten()
}

/// Runs `answer` as what answers a request from this address.
pub(crate) async fn from_client<T>(address: Option<IpAddr>, answer: impl Future<Output = T>) -> T {
    CLIENT.scope(address, answer).await
}

/// The address of a request.
pub(crate) fn address_of(headers: &HeaderMap, socket: Option<IpAddr>) -> Option<IpAddr> {
    let forwarded = request::header(headers, "x-forwarded-for");
    let first = forwarded.and_then(|list| list.split(',').next()).and_then(|first| first.trim().parse().ok());
    first.or(socket)
}

impl Org {
    /// Changes what the org says of networks and hours.
    pub fn change_networks(&self, change: impl FnOnce(&mut Networks)) {
        change(&mut lock(&self.faces.networks));
    }

    /// Whether the user of this profile may sign in from where the request came from, now.
    ///
    /// # Errors
    /// [`NoEntry::Address`], [`NoEntry::Time`]
    pub(crate) fn admits(&self, profile_id: &str) -> Result<(), NoEntry> {
        const MINUTES: i64 = 24 * 60;
        let networks = lock(&self.faces.networks);
        if let (Some(ranges), Some(address)) = (networks.login_ranges.get(profile_id), client())
            && !ranges.is_empty()
            && !ranges.iter().any(|range| range.contains(address))
        {
            return Err(NoEntry::Address);
        }
        let minute = self.clock().now().div_euclid(60_000).rem_euclid(MINUTES);
        match networks.login_hours.get(profile_id) {
            Some((from, to)) if !(i64::from(*from)..i64::from(*to)).contains(&minute) => Err(NoEntry::Time),
            _ => Ok(()),
        }
    }

    /// Whether a session of this profile's user is good from where the request came from, now.
    pub(crate) fn keeps(&self, profile_id: &str) -> bool {
        if lock(&self.faces.networks).enforce_on_every_request {
            return self.admits(profile_id).is_ok();
        }
        self.admits(profile_id) != Err(NoEntry::Time)
    }

    /// Whether a password needs the security token behind it here.
    pub(crate) fn needs_token(&self, profile_id: &str) -> bool {
        let networks = lock(&self.faces.networks);
        let own = networks.login_ranges.get(profile_id).is_some_and(|ranges| !ranges.is_empty());
        let Some(address) = client() else { return false };
        !own && !networks.trusted.is_empty() && !networks.trusted.iter().any(|range| range.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_ends_and_one_family() {
        let range = IpRange { from: "10.0.0.5".parse().unwrap(), to: "10.0.1.2".parse().unwrap() };
        for (address, inside) in [
            ("10.0.0.4", false),
            ("10.0.0.5", true),
            ("10.0.0.255", true),
            ("10.0.1.2", true),
            ("10.0.1.3", false),
            ("::ffff:10.0.0.7", true),
            ("::1", false),
        ] {
            assert_eq!(range.contains(address.parse().unwrap()), inside, "{address}");
        }
    }

    #[test]
    fn the_first_address_that_was_forwarded_counts() {
        let mut headers = HeaderMap::new();
        let socket = Some("127.0.0.1".parse().unwrap());
        assert_eq!(address_of(&headers, socket), socket);
        headers.insert("x-forwarded-for", "203.0.113.9, 10.0.0.1".parse().unwrap());
        assert_eq!(address_of(&headers, socket), Some("203.0.113.9".parse().unwrap()));
    }
}
