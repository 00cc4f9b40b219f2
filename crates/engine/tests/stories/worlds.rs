// SPDX-License-Identifier: Apache-2.0
//! The master property: restoring a backup of an org into an empty one gives the org, but for Ids and system fields.

use crate::stage::Stage;
use orgkeep_emulator::Settings;
use orgkeep_engine::{Route, Selection, prove};

async fn comes_back_whole(seed: u64, records: u64) {
    let stage = Stage::with(Settings { orgs: 2, seed, ..Settings::default() });
    orgkeep_emulator::world::populate(&stage.emulator.orgs()[0], seed, records).unwrap();
    let backup = stage.backup().await;
    for line in backup.objects.iter().filter(|line| line.route != Route::None) {
        assert_eq!(line.rows_in_org, Some(line.rows_held), "{line:?}");
    }
    let plan = stage.try_plan(1, 1, Selection::ChangesSince(0), false).await.unwrap();
    assert!(plan.missing.is_empty(), "{:?}", plan.missing);
    let report = stage.try_apply(1, &plan).await.unwrap();
    let refusals: std::collections::BTreeMap<String, &str> =
        report.refused.iter().map(|r| (format!("{} {:?} {}", r.object, r.action, r.reason), r.id.as_str())).collect();
    assert!(refusals.is_empty(), "seed {seed}: {} refused: {refusals:#?}", report.failed);
    let target = stage.org_number(1).await;
    let proof = prove(&stage.vault().await, 1, &target, &stage.ears).await.unwrap();
    assert!(proof.records > records / 2, "{proof:?}");
    let unexplained: Vec<String> = proof
        .examples
        .iter()
        .map(|change| {
            format!(
                "{} {:?} {} {:?}",
                change.object,
                change.kind,
                change.id,
                change.fields.iter().map(|f| (&f.field, &f.before, &f.after)).collect::<Vec<_>>()
            )
        })
        .collect();
    assert!(proof.holds(), "seed {seed}: {} unexplained: {unexplained:#?}", proof.unexplained);
}

#[tokio::test(start_paused = true)]
async fn a_world_comes_back_whole_in_an_empty_org() {
    comes_back_whole(1, 400).await;
}

#[tokio::test(start_paused = true)]
async fn another_world_comes_back_whole_too() {
    comes_back_whole(7, 900).await;
}
