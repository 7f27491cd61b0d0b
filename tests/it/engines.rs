//! Other engines than the machine's.

use kit::bed::{BedOptions, EngineOptions};

use crate::stage::{Setting, Stage};

/// The usual stage on an engine of its own.
fn on(engine: EngineOptions) -> Stage {
    let bed = BedOptions { engine: Some(engine), ..BedOptions::with(env!("CARGO_BIN_EXE_deploy-action")) };
    Stage::set(Setting { bed, ..Setting::default() })
}

#[test]
fn an_engine_of_its_own() {
    let stage = on(EngineOptions::default());
    let v2 = stage.version("v2");
    stage.deploy(&v2).expect(0);
    stage.assert_serves("v2");
    stage.rollback().expect(0);
    stage.assert_serves("v1");
}
