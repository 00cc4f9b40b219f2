// SPDX-License-Identifier: Apache-2.0
//! The topics of the event bus, and who may listen (`salesforce-api.md` 5.1; Change Data Capture Developer Guide, "Required
//! Permissions for Change Event Subscribers").
//!
//! `/data/AccountChangeEvent` needs View All on the object, or View All Data where the object has no such permission, and
//! View All Users for users. `/data/ChangeEvents` and custom channels are open to everybody who may use the API; whoever lacks
//! the permission on an object does not get its events there.

use std::sync::Arc;

use super::shape::Shape;
use crate::metadata::component;
use crate::metadata::xml::Node;
use crate::org::Tx;
use crate::rights::Deed;
use crate::schema::{Companion, Object};
use crate::user::Caller;

/// The channel of all selected objects.
const ALL: &str = "ChangeEvents";

/// What a topic's name stands for.
#[derive(Clone, Debug)]
pub enum Topic {
    /// `/data/ChangeEvents`
    Changes,
    /// `/data/AccountChangeEvent`: the shape as it is now.
    Change(Arc<Shape>),
    /// `/data/Sales__chn`: the event objects on it, and what of it is not emulated.
    Channel { events: Vec<String>, unsupported: Option<&'static str> },
    /// `/event/Order__e`
    PlatformEvent(Arc<Shape>),
}

impl Topic {
    /// The topic of this name; none when the org has none.
    pub fn named(tx: &Tx<'_>, name: &str) -> Option<Topic> {
        if let Some(event) = name.strip_prefix("/event/") {
            let object = tx.schema.object(event).filter(|object| object.name == event && event.ends_with("__e"))?;
            return Some(Topic::PlatformEvent(Arc::new(Shape::of_platform_event(object))));
        }
        match name.strip_prefix("/data/")? {
            ALL => Some(Topic::Changes),
            channel if channel.ends_with("__chn") => {
                component::find(tx, "PlatformEventChannel", channel)?;
                let members = members(tx, channel);
                let has = |name: &str| members.iter().any(|member| member.first(name).is_some());
                let unsupported = match (has("filterExpression"), has("enrichedFields")) {
                    (true, _) => Some("filterExpression"),
                    (_, true) => Some("enrichedFields"),
                    _ => None,
                };
                let events = members.iter().map(|member| member.text_of("selectedEntity").to_owned()).collect();
                Some(Topic::Channel { events, unsupported })
            }
            event => {
                let entity = entity_of(tx, event)?;
                let shape = selected(tx, &entity.name).then(|| Shape::of_changes(&tx.schema, &entity)).flatten()?;
                (shape.event == event).then(|| Topic::Change(Arc::new(shape)))
            }
        }
    }

    /// Whether events of this event object come on the topic.
    pub fn carries(&self, event: &str) -> bool {
        match self {
            Topic::Changes => !event.ends_with("__e"),
            Topic::Change(shape) | Topic::PlatformEvent(shape) => shape.event == event,
            Topic::Channel { events, .. } => events.iter().any(|one| one == event),
        }
    }

    /// Whether a user may subscribe.
    pub fn admits(&self, caller: &Caller) -> bool {
        match self {
            Topic::Changes | Topic::Channel { .. } => true,
            Topic::Change(shape) => may_hear_of(caller, &shape.entity),
            Topic::PlatformEvent(shape) => caller.sees(&shape.entity),
        }
    }

    /// Whether a user may publish.
    pub fn takes_from(&self, caller: &Caller) -> bool {
        match self {
            Topic::PlatformEvent(shape) => caller.may(&shape.entity, Deed::Create),
            Topic::Changes | Topic::Change(_) | Topic::Channel { .. } => false,
        }
    }

    /// The one schema of its events; a channel of several objects has none.
    pub fn shape(&self) -> Option<&Arc<Shape>> {
        match self {
            Topic::Change(shape) | Topic::PlatformEvent(shape) => Some(shape),
            Topic::Changes | Topic::Channel { .. } => None,
        }
    }
}

/// The object that an event object tells of.
pub fn entity_of(tx: &Tx<'_>, event: &str) -> Option<Arc<Object>> {
    let entity = match event.strip_suffix("__ChangeEvent") {
        Some(stem) => format!("{stem}__c"),
        None => event.strip_suffix(Companion::ChangeEvent.as_str())?.to_owned(),
    };
    tx.schema.object(&entity).cloned()
}

/// Whether a user may see what happens to records of an object.
pub fn may_hear_of(caller: &Caller, entity: &Object) -> bool {
    if entity.name == "User" {
        return caller.can("ViewAllUsers");
    }
    caller.rights_on(entity).view_all
}

/// Whether changes of an object are captured: all that can be, unless metadata selects some.
pub fn selected(tx: &Tx<'_>, object: &str) -> bool {
    let chosen = members(tx, ALL);
    let event = Companion::ChangeEvent.name_for(object);
    chosen.is_empty() || chosen.iter().any(|member| member.text_of("selectedEntity") == event)
}

/// The `PlatformEventChannelMember` components of a channel.
fn members(tx: &Tx<'_>, channel: &str) -> Vec<Node> {
    let all = component::all(tx, "PlatformEventChannelMember");
    let nodes = all.iter().filter_map(|member| component::node(tx, member));
    nodes.filter(|node| node.text_of("eventChannel") == channel).collect()
}
