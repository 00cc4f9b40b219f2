// SPDX-License-Identifier: Apache-2.0
//! Objects that metadata selects have change events from then on, whether or not anybody has listened yet.

use crate::caller::Caller;
use crate::listener::deeds::{component, deploy};
use crate::listener::{Listener, ReplayPreset, from};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn what_was_changed_before_anybody_listened_is_told() {
    let caller = Caller::new();
    caller.create("Account", json!({"Name": "before"})).await;
    let member = "<eventChannel>ChangeEvents</eventChannel><selectedEntity>AccountChangeEvent</selectedEntity>";
    let member = component("PlatformEventChannelMember", member);
    let file = ("platformEventChannelMembers/Changes_Account.platformEventChannelMember", member.as_str());
    deploy(&caller, &[("PlatformEventChannelMember", "Changes_Account")], &[file]).await;
    caller.create("Account", json!({"Name": "selected"})).await;
    caller.create("Contact", json!({"LastName": "not selected"})).await;
    let mut listener = Listener::of(&caller);
    let heard = listener.all(from("/data/ChangeEvents", ReplayPreset::Earliest, Vec::new())).await;
    assert_eq!(heard.iter().map(|one| one.text("Name")).collect::<Vec<_>>(), ["selected"]);
}
