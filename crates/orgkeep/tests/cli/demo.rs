// SPDX-License-Identifier: Apache-2.0
//! The demo, small.

use crate::world::World;

#[test]
fn the_demo_proves_itself_and_its_commands_work() {
    let world = World::new();
    let ran = world.orgkeep("demo --records 800 --keep kept").ok();
    assert!(ran.stdout.contains("Everything is back."), "{}", ran.stdout);
    let commands: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("    orgkeep ")).collect();
    assert!(commands.len() >= 6, "{}", ran.stdout);
    for command in commands {
        world.orgkeep(command).ok();
    }
    // A folder that holds something is left alone.
    world.orgkeep("demo --records 800 --keep kept").fails(1);
}

#[test]
fn the_demo_tells_its_story_in_events_too() {
    let world = World::new();
    let ran = world.orgkeep("demo --records 300 --json").ok();
    let steps = ran.events("demo_step");
    assert_eq!(steps.len(), 11);
    assert!(steps.iter().enumerate().all(|(place, step)| step["step"] == place as u64 + 1));
    let result = ran.result();
    assert_eq!(result["proof"]["unexplained"], 0);
    assert_eq!(result["kept_in"], serde_json::Value::Null);
    assert_eq!(std::fs::read_dir(world.path("home")).unwrap().count(), 0, "the demo leaves nothing behind");
}
