// SPDX-License-Identifier: Apache-2.0
//! The Apex API of an org that runs no Apex: anonymous code does not compile, and there is no test to run.

use super::xml::{nil, tag};

/// What the compiler says of anything: loud, and in the place where clients look for it.
const PROBLEM: &str = "This org does not run Apex: it is an emulated one";

/// The result of `executeAnonymous`: not compiled.
pub fn anonymous_result() -> String {
    [
        "<result>".to_owned(),
        tag("column", "1"),
        tag("compileProblem", PROBLEM),
        tag("compiled", "false"),
        nil("exceptionMessage"),
        nil("exceptionStackTrace"),
        tag("line", "1"),
        tag("success", "false"),
        "</result>".to_owned(),
    ]
    .concat()
}

/// The result of `compileClasses` or `compileTriggers` for one script.
pub fn compile_result() -> String {
    let at = tag("column", "1") + &nil("id") + &tag("line", "1");
    format!("<result>{at}{}{}</result>", tag("problem", PROBLEM), tag("success", "false"))
}

/// The result of `runTests`: none was run.
pub fn tests_result() -> String {
    let counts = tag("numFailures", "0") + &tag("numTestsRun", "0") + &tag("totalTime", "0.0");
    format!("<result>{counts}</result>")
}

/// The header with the log that `DebuggingHeader` asks for: nothing ran, so nothing is in it.
pub fn debugging_info() -> String {
    format!("<DebuggingInfo>{}</DebuggingInfo>", tag("debugLog", ""))
}
