//! Disks without space: which one it is, and what to do.

use deploy_action::plan::image::BuildMode;

use super::faulty::{Fault, Faulty};
use super::shop::{BASE, Shop};

#[test]
fn a_step_that_fills_a_disk_is_told_as_that() {
    // What is written to this device gets the error of a full disk.
    let shop = Shop::open(&format!("FROM {BASE}\nCOPY hello /\nRUN cat /hello > /dev/full\n"));
    let made = shop.make();
    assert_eq!(made.problem().0, Some(3));
    let text = made.failure().render();
    assert!(made.lines().contains("No space left on device"), "{}", made.lines());
    assert!(text.contains("a disk is full") && text.contains("`docker system df`"), "{text}");
}

#[test]
fn a_registry_without_space_is_told_as_that() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    assert!(shop.make().result.is_ok(), "its layer is there: the engine repeats uploads of layers for a minute");
    let open = shop.door;
    let faulty = Faulty::before(shop.registry.address(), Fault::NoSpace);
    shop.door = faulty.address;
    shop.mode = BuildMode::Always;
    let made = shop.make();
    let host = shop.door.to_string();
    insta::assert_snapshot!(made.failure().render().replace(&host, "HOST"), @"
    error: the registry `HOST` has no space left
      because: the Docker Engine refused: received unexpected HTTP status: 500 Internal Server Error
      hint: free space where it keeps its images: delete old ones and run its garbage collection, then run the job again
      reason: registry_failed (exit code 20)
    ");
    shop.forget();
    shop.door = open;
}
