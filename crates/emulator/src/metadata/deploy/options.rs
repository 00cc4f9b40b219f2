// SPDX-License-Identifier: Apache-2.0
//! What a caller may ask of a deploy (`salesforce-api.md` 4.1, 4.2), from XML or JSON.

use serde_json::{Value, json};

use super::super::xml::Node;

/// The levels of tests. No Apex runs here: a level is accepted, repeated, and no test is counted.
const TEST_LEVELS: [&str; 5] =
    ["NoTestRun", "RunSpecifiedTests", "RunLocalTests", "RunAllTestsInOrg", "RunRelevantTests"];

/// `DeployOptions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub allow_missing_files: bool,
    pub auto_update_package: bool,
    pub check_only: bool,
    pub ignore_warnings: bool,
    pub perform_retrieve: bool,
    pub purge_on_delete: bool,
    pub rollback_on_error: bool,
    pub run_all_tests: bool,
    pub run_tests: Vec<String>,
    pub single_package: bool,
    pub test_level: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            allow_missing_files: false,
            auto_update_package: false,
            check_only: false,
            ignore_warnings: false,
            perform_retrieve: false,
            purge_on_delete: false,
            rollback_on_error: true,
            run_all_tests: false,
            run_tests: Vec::new(),
            single_package: false,
            test_level: None,
        }
    }
}

impl Options {
    /// From the element `DeployOptions`, in whatever case its children are written.
    ///
    /// # Errors
    /// The test level is none.
    pub fn of_node(node: Option<&Node>) -> Result<Options, String> {
        let Some(node) = node else { return Ok(Options::default()) };
        let texts = |name: &str| -> Vec<String> {
            let named = node.children.iter().filter(|child| child.name.eq_ignore_ascii_case(name));
            named.map(|child| child.text.trim().to_owned()).collect()
        };
        Options::from(
            |name| texts(name).first().map(|text| crate::metadata::xml::is_truth(text)),
            texts("runTests"),
            texts("testLevel").into_iter().next(),
        )
    }

    /// From the member `deployOptions`.
    ///
    /// # Errors
    /// The test level is none.
    pub fn of_json(value: &Value) -> Result<Options, String> {
        let tests = value["runTests"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Options::from(|name| value[name].as_bool(), tests.collect(), value["testLevel"].as_str().map(str::to_owned))
    }

    fn from(
        flag: impl Fn(&str) -> Option<bool>,
        run_tests: Vec<String>,
        test_level: Option<String>,
    ) -> Result<Options, String> {
        let test_level = test_level.filter(|level| !level.is_empty());
        if let Some(level) = test_level.as_deref().filter(|level| !TEST_LEVELS.contains(level)) {
            return Err(format!("'{level}' is not a valid value for the enum 'TestLevel'"));
        }
        let on = |name: &str| flag(name).unwrap_or(false);
        Ok(Options {
            allow_missing_files: on("allowMissingFiles"),
            auto_update_package: on("autoUpdatePackage"),
            check_only: on("checkOnly"),
            ignore_warnings: on("ignoreWarnings"),
            perform_retrieve: on("performRetrieve"),
            purge_on_delete: on("purgeOnDelete"),
            rollback_on_error: flag("rollbackOnError").unwrap_or(true),
            run_all_tests: on("runAllTests"),
            run_tests: run_tests.into_iter().filter(|name| !name.is_empty()).collect(),
            single_package: on("singlePackage"),
            test_level,
        })
    }

    /// Whether tests would run.
    pub fn runs_tests(&self) -> bool {
        self.run_all_tests || self.test_level.as_deref().is_some_and(|level| level != "NoTestRun")
    }

    /// As the REST API repeats them (`salesforce-api.md` 4.2).
    pub fn to_json(&self) -> Value {
        json!({
            "checkOnly": self.check_only,
            "singlePackage": self.single_package,
            "allowMissingFiles": self.allow_missing_files,
            "performRetrieve": self.perform_retrieve,
            "autoUpdatePackage": self.auto_update_package,
            "rollbackOnError": self.rollback_on_error,
            "ignoreWarnings": self.ignore_warnings,
            "purgeOnDelete": self.purge_on_delete,
            "runAllTests": self.run_all_tests,
            "testLevel": self.test_level,
            "runTests": if self.run_tests.is_empty() { Value::Null } else { json!(self.run_tests) },
        })
    }
}
