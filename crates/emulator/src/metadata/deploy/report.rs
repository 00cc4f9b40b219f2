// SPDX-License-Identifier: Apache-2.0
//! What a deploy did, component by component.

/// One `DeployMessage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub changed: bool,
    pub created: bool,
    pub deleted: bool,
    pub success: bool,
    /// Empty for the manifest itself.
    pub component_type: String,
    pub full_name: String,
    pub file_name: String,
    pub id: Option<String>,
    pub line: u32,
    pub column: u32,
    pub problem: Option<String>,
    /// `Warning` or `Error`, where there is a problem.
    pub problem_type: Option<&'static str>,
}

/// The end of a deploy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub messages: Vec<Message>,
    /// Why nothing could be tried: code and text.
    pub error: Option<(String, String)>,
    /// Whether what succeeded was kept.
    pub kept: bool,
}

impl Report {
    /// Components that were tried: the manifests do not count.
    pub fn total(&self) -> usize {
        self.components().count()
    }

    pub fn failed(&self) -> usize {
        self.components().filter(|message| !message.success).count()
    }

    pub fn succeeded(&self) -> usize {
        self.components().filter(|message| message.success).count()
    }

    fn components(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| !message.component_type.is_empty() || !message.success)
    }

    /// `Succeeded`, `SucceededPartial` or `Failed`.
    pub fn status(&self) -> &'static str {
        match (self.error.is_some(), self.failed(), self.kept) {
            (true, ..) => "Failed",
            (false, 0, _) => "Succeeded",
            (false, _, true) if self.succeeded() > 0 => "SucceededPartial",
            _ => "Failed",
        }
    }
}
